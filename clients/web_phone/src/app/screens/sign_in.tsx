/** Signing in: where, who, and what this phone is called. */

import { useRef, useState } from "preact/hooks";

import { type Refused, Unheard } from "../../protocol/errors.js";
import { refused } from "../model/link.js";
import type { Phone } from "../model/phone.js";
import { type Field, typed } from "../model/sign_in_form.js";
import { Trouble } from "../parts/small.js";
import { Sure } from "../parts/sure.js";
import { type ScreenKey, t } from "../words.js";

const LABELS: Readonly<Record<Field, ScreenKey>> = { server: "sign_in.server", account: "sign_in.account", device: "sign_in.device" };

/** The screen before anything else. */
export function SignIn({ phone }: { phone: Phone }) {
  const [busy, setBusy] = useState(false);
  const [trouble, setTrouble] = useState<Refused | null>(phone.signInNeeded.value);
  const [lacks, setLacks] = useState<Field | null>(null);
  const inputs = useRef<HTMLFormElement>(null);
  const known = phone.signedIn.value;

  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const said = typed((name) => { const value = form.get(name); return typeof value === "string" ? value : ""; });
    setTrouble(null);
    setLacks(typeof said === "string" ? said : null);
    if (typeof said === "string") {
      inputs.current?.querySelector<HTMLInputElement>(`input[name=${said}]`)?.focus();
      return;
    }
    setBusy(true);
    phone.preferences.choose({ server: said.server });
    await phone.signIn(said).catch((problem: unknown) => { setTrouble(refused(problem)); });
    setBusy(false);
  };

  return (
    <main class="middle sign-in">
      <h1 class="brand" tabIndex={-1}>Dispatch</h1>
      <p class="hint">{t("sign_in.intro")}</p>
      <form ref={inputs} onSubmit={(event) => void submit(event)}>
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
        {lacks === null ? null : <p class="trouble" role="alert" data-lacks={lacks}>{t("sign_in.lacks", { field: t(LABELS[lacks]) })}</p>}
        <Failure of={trouble} online={phone.online.value} server={phone.preferences.chosen.value.server} />
        <button type="submit" class="primary wide" disabled={busy}>{busy ? t("sign_in.doing") : t("sign_in.do")}</button>
      </form>
      {known === null ? null : <Sure label={t("settings.reset")} question={t("settings.reset_sure")} act={async () => phone.reset()} failed={setTrouble} />}
    </main>
  );
}

/** Why signing in failed. Where no word of a service came, and there is a network, the address is the likeliest cause: no reason of ours fits. */
function Failure({ of, online, server }: { of: Refused | null; online: boolean; server: string }) {
  if (!(of instanceof Unheard) || !online) return <Trouble of={of} />;
  return <div class="trouble" role="alert" data-reason="nobody"><strong>{t("sign_in.nobody", { server })}</strong> <span>{t("sign_in.nobody_how")}</span></div>;
}
