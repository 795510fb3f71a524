"""An application for the tests: one window with the name of the document that it was given, until it is killed."""

from __future__ import annotations

import os
import sys

from Xlib import X, display


def main() -> None:
    """CLASS [DOCUMENT]"""
    connected = display.Display()
    screen = connected.screen()
    window = screen.root.create_window(10, 10, 200, 100, 0, screen.root_depth, event_mask=X.StructureNotifyMask)
    title = os.path.basename(sys.argv[2]) if len(sys.argv) > 2 else "Untitled"
    name = (connected.intern_atom("_NET_WM_NAME"), connected.intern_atom("UTF8_STRING"))
    window.change_property(*name, 8, title.encode())
    window.set_wm_class(sys.argv[1].lower(), sys.argv[1])
    window.map()
    connected.sync()
    while True:
        connected.next_event()


main()
