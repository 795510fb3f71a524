/** What is shown where a screen can't be drawn. Without it the old one would stand there, as if nothing had changed since. */

import { Component, type ComponentChildren } from "preact";

import { t } from "../words.js";

interface Props {
  children: ComponentChildren;
  /** Goes where something else is shown. */
  away(): void;
}

/** Shows what is in it or, when that fails, that it does. */
export class Unbroken extends Component<Props, { broken: boolean }> {
  override state = { broken: false };

  static override getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override render(): ComponentChildren {
    const { children } = this.props;
    if (!this.state.broken) return children;
    const again = (): void => { this.setState({ broken: false }); };
    return (
      <main class="middle">
        <h1 class="brand">Dispatch</h1>
        <p class="trouble" role="alert">{t("app.broken")}</p>
        <div class="row">
          <button type="button" onClick={again}>{t("app.broken_again")}</button>
          <button type="button" class="primary" onClick={() => { this.props.away(); again(); }}>{t("app.broken_away")}</button>
        </div>
      </main>
    );
  }
}
