"""`make phone`: the web phone on an origin of its own, with services and a host behind it, on this computer."""
