"""The PBX behind the API: state, tables, files, Asterisk, and the actions that use them."""
