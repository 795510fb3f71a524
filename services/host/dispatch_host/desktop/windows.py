"""Windows: windows through UI Automation, the menu through Get-StartApps, both by PowerShell. Not run yet.

Called when the host runs on Windows. What was said is given in variables of the environment, which no script
takes for its own text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispatch_host.desktop.desktop import MOST_WINDOWS, Application, NoDesktop, Window, cut
from dispatch_host.desktop.scripted import Run

_POWERSHELL = ("powershell.exe", "-NoProfile", "-NonInteractive", "-Command")
_UTF8 = "[Console]::OutputEncoding = [Text.Encoding]::UTF8; Add-Type -AssemblyName UIAutomationClient; "
_LIST = (
    _UTF8
    + "$front = [Windows.Automation.AutomationElement]::FocusedElement.Current.ProcessId; "
    + "$all = [Windows.Automation.AutomationElement]::RootElement.FindAll('Children', "
    + "[Windows.Automation.Condition]::TrueCondition); "
    + "ConvertTo-Json -Compress @($all | Where-Object { $_.Current.Name } | ForEach-Object { @{ "
    + "n = $_.Current.NativeWindowHandle; t = $_.Current.Name; f = ($_.Current.ProcessId -eq $front); "
    + "a = (Get-Process -Id $_.Current.ProcessId).ProcessName } })"
)
_FOCUS = (
    _UTF8
    + "$one = [Windows.Automation.AutomationElement]::FromHandle([IntPtr][int64]$env:DISPATCH_WINDOW); "
    + "$pattern = $null; if ($one.TryGetCurrentPattern([Windows.Automation.WindowPattern]::Pattern, [ref]$pattern)) "
    + "{ $pattern.SetWindowVisualState('Normal') }; $one.SetFocus()"
)
_MENU = (
    "[Console]::OutputEncoding = [Text.Encoding]::UTF8; "
    "ConvertTo-Json -Compress @(Get-StartApps | ForEach-Object { @{ n = $_.Name; i = $_.AppID } })"
)
_START = "Start-Process ('shell:AppsFolder\\' + $env:DISPATCH_APPLICATION)"
_SHOW = "Invoke-Item -LiteralPath $env:DISPATCH_DOCUMENT"


class Windows:
    """As a Desktop."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def windows(self) -> Sequence[Window]:
        found = [(int(one["n"]), str(one["a"]), str(one["t"]), one["f"] is True) for one in await self._said(_LIST)]
        front = next((number for number, *_, is_front in found if is_front), None)
        return [Window(number, cut(app), cut(title), number == front) for number, app, title, _ in found[:MOST_WINDOWS]]

    async def focus(self, window: Window) -> None:
        await self._run((*_POWERSHELL, _FOCUS), {"DISPATCH_WINDOW": str(window.number)})

    async def applications(self) -> Sequence[Application]:
        return [Application(cut(str(one["n"])), (str(one["i"]),)) for one in await self._said(_MENU)]

    async def start(self, application: Application) -> None:
        await self._run((*_POWERSHELL, _START), {"DISPATCH_APPLICATION": application.start[0]})

    async def show(self, document: Path) -> None:
        await self._run((*_POWERSHELL, _SHOW), {"DISPATCH_DOCUMENT": str(document)})

    async def _said(self, script: str) -> list[dict[str, Any]]:
        try:
            said = json.loads(await self._run((*_POWERSHELL, script), {}) or "[]")
            return [one for one in said if isinstance(one, dict)]
        except (ValueError, TypeError) as wrong:
            raise NoDesktop("The desktop said something that is not understood.") from wrong
