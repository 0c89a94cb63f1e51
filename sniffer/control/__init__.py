"""The control plane: processes, reload, health, the HTTP endpoint.  It touches no packet."""
