"""Where the PBX keeps the files that the API works with."""

BACKUPS = "/opt/sark/bkup"
SNAPSHOTS = "/opt/sark/snap"
GREETINGS = "/usr/share/asterisk/sounds"
CALL_RECORDS = "/var/log/asterisk/cdr-csv/Master.csv"
RULES_IPV4 = "/etc/shorewall/sark_rules"
RULES_IPV6 = "/etc/shorewall6/sark_rules6"
MAILBOXES = "/var/spool/asterisk/voicemail/default"
