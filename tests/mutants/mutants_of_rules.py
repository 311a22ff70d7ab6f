"""Mutants with one changed rule."""

from __future__ import annotations

from tests.mutants.breaking import broken_rule, remove_check, replace_rules, run_boundaries, run_fuzz

TENANT, AGENT = run_boundaries("tenants.update"), run_boundaries("agents.create")
GLOBALS = run_boundaries("globals.update")
MAC = "regex:/^[0-9a-fA-F]{12,13}$/"

MUTANTS = [
    broken_rule(
        "a rule is dropped", TENANT, replace_rules("TenantUpdate", "chanmax", ""), "tenants.update/chanmax", "accepted"
    ),
    broken_rule(
        "required is dropped", run_boundaries("tenants.create"), replace_rules("TenantCreate", "description", "string"),
        "tenants.create/description", "accepted"),
    broken_rule(
        "nullable is dropped", TENANT, replace_rules("TenantUpdate", "clusterclid", "integer"),
        "tenants.update/clusterclid", "rejected"),
    broken_rule(
        "nullable is added", TENANT, replace_rules("TenantUpdate", "chanmax", "integer|nullable"),
        "tenants.update/chanmax", "accepted"),
    broken_rule(
        "an optional field is required", TENANT, replace_rules("TenantUpdate", "operator", "required|integer"),
        "tenants.update/operator", "rejected"),
    broken_rule(
        "a listed value is missing", TENANT, replace_rules("TenantUpdate", "masteroclo", "in:AUTO"),
        "tenants.update/masteroclo", "rejected"),
    broken_rule(
        "a value of another list is listed", TENANT, replace_rules("TenantUpdate", "masteroclo", "in:AUTO,CLOSED,ON"),
        "tenants.update/masteroclo", "accepted"),
    broken_rule(
        "a list ignores case", TENANT, replace_rules("TenantUpdate", "masteroclo", ["regex:/^(auto|closed)$/i"]),
        "tenants.update/masteroclo", "accepted"),
    broken_rule(
        "a maximum is one too low", AGENT, replace_rules("AgentCreate", "passwd", "required|integer|min:1000|max:9998"),
        "agents.create/passwd", "rejected"),
    broken_rule(
        "a maximum is one too high", AGENT,
        replace_rules("AgentCreate", "passwd", "required|integer|min:1000|max:10000"), "agents.create/passwd",
        "accepted"),
    broken_rule(
        "a minimum is one too low", AGENT, replace_rules("AgentCreate", "passwd", "required|integer|min:999|max:9999"),
        "agents.create/passwd", "accepted"),
    broken_rule(
        "exists is not checked", run_boundaries("agents.update"), replace_rules("AgentUpdate", "cluster", "string"),
        "agents.update/cluster", "accepted"),
    broken_rule(
        "exists queries another table", run_boundaries("agents.update"),
        replace_rules("AgentUpdate", "queue1", "exists:cluster,pkey|nullable"), "agents.update/queue1", "rejected"),
    broken_rule(
        "a regex has lost its anchors", run_boundaries("queues.update"),
        replace_rules("QueueUpdate", "greetnum", r"regex:/usergreeting\d{4}/"), "queues.update/greetnum", "accepted"),
    broken_rule(
        "a regex accepts one more digit", run_boundaries("extensions.create.provisioned"),
        replace_rules("ProvisionedCreate", "macaddr", f"required|{MAC}"), "extensions.create.provisioned/macaddr",
        "accepted"),
    broken_rule(
        "digits expects one less", run_boundaries("holidaytimers.update"),
        replace_rules("HolidaytimerUpdate", "stime", "digits:9|nullable"), "holidaytimers.update/stime", "*"),
    broken_rule(
        "an address may be anything", GLOBALS, replace_rules("GlobalsUpdate", "ALERT", "string"),
        "globals.update/ALERT", "accepted"),
    broken_rule(
        "a size is one higher", GLOBALS, replace_rules("GlobalsUpdate", "COUNTRYCODE", "alpha|size:3"),
        "globals.update/COUNTRYCODE", "*"),
    broken_rule(
        "a mistake of the documentation is corrected", GLOBALS, replace_rules("GlobalsUpdate", "PLAYBEEP", "in:YES,NO"),
        "globals.update/PLAYBEEP", "*"),
    broken_rule(
        "a dash passes as a letter", run_boundaries("inboundroutes.update"),
        replace_rules("InboundRouteUpdate", "tag", "alpha_dash|nullable"), "inboundroutes.update/tag", "accepted"),
    broken_rule(
        "an integer may have a fraction", TENANT, replace_rules("TenantUpdate", "localarea", "numeric|nullable"),
        "tenants.update/localarea", "accepted"),
    broken_rule(
        "the word true is true", run_boundaries("backups.restore"),
        replace_rules("BackupRestore", "restoredb", "in:true,false,1,0"), "backups.restore/restoredb", "*"),
    broken_rule(
        "any file is a greeting", run_boundaries("greetings.upload"),
        replace_rules("GreetingUpload", "greeting", "required|file"), "greetings.upload/greeting", "accepted"),
    broken_rule(
        "a target need not exist", run_boundaries("ringgroups.update"),
        remove_check("/ringgroups/{ringgroup}", "put"), "ringgroups.update/outcome", "accepted"),
    broken_rule(
        "a number may have any suffix", run_fuzz("agents.create"),
        replace_rules("AgentCreate", "passwd", ["required", "regex:/^[0-9]{4}/"]), "agents.create/passwd", "*"),
]
