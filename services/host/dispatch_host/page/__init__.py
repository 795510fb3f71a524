"""The page on which the owner of this computer sees and does what the command line can. docs/host-page.md.

A caller of the front desk, as the command line is: it owns nothing of the host's.
"""
