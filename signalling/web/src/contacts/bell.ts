// Calls that come in: a dialog for each, the ring, and the words in the title.

import type { Events } from '../calls';
import { type Answering, IncomingDialog } from './incoming';
import type { Ring } from './ring';

/** The dialogs that are open, by call. */
export class Bell {
  private readonly dialogs = new Map<string, IncomingDialog>();

  /** `alert` puts words into the title while they last. */
  constructor(
    private readonly ring: Ring,
    private readonly alert: (words: string | null) => void,
  ) {}

  /** Rings for a call, once; a device that is in one already gets the dialog alone. */
  begin(event: Events['incoming'], answer: Answering, inCall: boolean): boolean {
    const { call, from } = event;
    if (this.dialogs.has(call)) return false;

    const dialog = new IncomingDialog(event, answer, inCall);
    this.dialogs.set(call, dialog);
    dialog.open();
    // In a call the words have to do: the others would hear a bell.
    if (!inCall) this.ring.bell();
    this.alert(`${from.name || from.identity} is calling`);

    return true;
  }

  /** Stops for a call; false when it did not ring for it. */
  end(call: string): boolean {
    const dialog = this.dialogs.get(call);
    if (!dialog) return false;
    dialog.close();
    this.dialogs.delete(call);
    if (this.dialogs.size > 0) return true;
    this.ring.stop();
    this.alert(null);

    return true;
  }

  /** Stops for all. */
  endAll(): void {
    for (const call of [...this.dialogs.keys()]) this.end(call);
  }
}
