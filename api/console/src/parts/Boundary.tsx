import { Component, type ReactNode } from "react";
import { FaultNote } from "./FaultNote";

/** Keeps the fault of one part from taking the page with it; a blank page at night is the worst answer. */
export class Boundary extends Component<{ children: ReactNode; quiet?: boolean }, { error: unknown }> {
  override state = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    if (this.props.quiet) return null;
    return <FaultNote error={this.state.error} retry={() => window.location.reload()} />;
  }
}
