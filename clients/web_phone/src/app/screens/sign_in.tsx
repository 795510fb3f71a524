/** Signing in: where, who, and what this phone is called. */

import { useState } from "preact/hooks";

import type { Refused } from "../../protocol/errors.js";
import { refused } from "../model/link.js";
import type { Phone } from "../model/phone.js";
import { Trouble } from "../parts/small.js";
import { Sure } from "../parts/sure.js";
import { t } from "../words.js";

/** The screen before anything else. */
export function SignIn({ phone }: { phone: Phone }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(phone.signInNeeded.value);
  const known = phone.signedIn.value;

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const field = (name: string): string => { const value = form.get(name); return typeof value === "string" ? value : ""; };
    const server = addressOf(field("server"));
    setBusy(true);
    setTrouble(null);
    phone.preferences.choose({ server });
    await phone.signIn({ server, account: field("account").trim(), password: field("password"), deviceName: field("device").trim() })
      .catch((problem: unknown) => { setTrouble(refused(problem)); });
    setBusy(false);
  };

  return (
    <main class="middle sign-in">
      <h1 class="brand" tabIndex={-1}>Dispatch</h1>
      <p class="hint">{t("sign_in.intro")}</p>
      <form onSubmit={(event) => void submit(event)}>
        <label>{t("sign_in.server")}
          <input name="server" required autocomplete="url" autocapitalize="none" spellcheck={false} inputMode="url" aria-describedby="server-hint"
            defaultValue={known?.server ?? phone.preferences.chosen.value.server} />
        </label>
        <p class="small hint" id="server-hint">{t("sign_in.server_hint")}</p>
        <label>{t("sign_in.account")}
          <input name="account" required autocomplete="username" autocapitalize="none" spellcheck={false} defaultValue={known?.account ?? ""} />
        </label>
        <label>{t("sign_in.password")}
          <input name="password" type="password" required autocomplete="current-password" />
        </label>
        <label>{t("sign_in.device")}
          <input name="device" required maxLength={64} autocomplete="off" defaultValue={known?.deviceName ?? t("sign_in.device_default")} />
        </label>
        <Trouble of={trouble} />
        <button type="submit" class="primary wide" disabled={busy}>{busy ? t("sign_in.doing") : t("sign_in.do")}</button>
      </form>
      {known === null ? null : <Sure label={t("settings.reset")} question={t("settings.reset_sure")} act={async () => phone.reset()} failed={setTrouble} />}
    </main>
  );
}

/** Takes an address as people paste it: without a scheme, and with the port that the scheme stands for. */
export function addressOf(written: string): string {
  const bare = written.trim().replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return /:[0-9]+$/.test(bare) ? bare : `${bare}:443`;
}
