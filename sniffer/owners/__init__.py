"""Whose an address is: tenants by network, VLAN, access session or label, and who held an address when."""
