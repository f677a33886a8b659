"""List every defence, how to disable it, and the case that fails without it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from decimal import Decimal

from agents.changes import history, ledger
from agents.llm import agent, assistant
from agents.server import model_budget
from agents.tools import duckdb, result
from infra import stack_file
from infra.cost.planning import group
from infra.cost.planning import scaling as cost_scaling
from infra.policy import docker_rules
from stack_runtime import text
from tests.evals import removals, steps
from tests.evals.removals import (
    Removal,
    any_container_input,
    duckdb_option,
    raise_limits,
    replace_attribute,
    skip_check,
    without_trigger,
)


@dataclass(frozen=True)
class Defence:
    """A defence of the product, and the case that fails without the defence.

    Args:
        name: name of the defence in docs/agents.md.
        case: `CLASS/ID` of a case that fails without the defence; each class of cases is one YAML file.
        remove: function that disables the defence for one test.
    """

    name: str
    case: str
    remove: Removal


SETTINGS_AND_RESOURCES = (
    Defence(
        "each setting has one key",
        "sources/bare-type-after-the-approval",
        replace_attribute(stack_file, "_OWN_KEY", re.compile(".*")),
    ),
    Defence(
        "no settings in Pulumi.yaml",
        "sources/project-settings",
        replace_attribute(stack_file, "_refuse_project_config", lambda *_: None),
    ),
    Defence(
        "no ambiguous values",
        "sources/octal-before-the-plan",
        replace_attribute(stack_file, "_refuse_ambiguous", lambda _: None),
    ),
    Defence(
        "running stacks count",
        "group/stack-without-a-file",
        replace_attribute(group, "_running_stacks", lambda *_: set()),
    ),
    Defence(
        "running resources outside the plan count",
        "group/second-server-of-the-stack",
        replace_attribute(group, "_extras", lambda *_: []),
    ),
    Defence("no host paths", "pack/socket-with-more-slashes", any_container_input("volumes")),
    Defence("no bind mounts", "pack/socket-as-a-bind-mount", any_container_input("mounts")),
    Defence("only known security options", "pack/unconfined", any_container_input("securityOpts")),
    Defence("only known networks", "pack/network-of-another", any_container_input("networkMode")),
    Defence(
        "only the proxy publishes ports",
        "pack/label-of-the-proxy",
        replace_attribute(docker_rules, "ports_problem", lambda *_: ()),
    ),
    Defence("only known inputs", "pack/device", replace_attribute(docker_rules, "problems", lambda *_: ())),
)

MODEL_OUTPUT = (
    Defence(
        "numbers are numbers",
        "numbers/string-workers",
        replace_attribute(agent, "ScalingRequest", removals.CoercingRequest),
    ),
    Defence(
        "no field for prices, budgets or approvals",
        "invented/budget",
        replace_attribute(agent, "ScalingRequest", removals.OpenRequest),
    ),
    Defence(
        "one printable line of reason",
        "display/escape-sequence",
        replace_attribute(agent, "ScalingRequest", removals.UnprintableRequest),
    ),
    Defence(
        "texts must be visible",
        "display/invisible-answer",
        replace_attribute(agent, "Answer", removals.InvisibleAnswer),
    ),
    Defence(
        "no invisible characters",
        "display/blank-fillers-as-reason",
        replace_attribute(text, "_INVISIBLE", frozenset()),
    ),
    Defence("printable answers", "display/answer-escape", replace_attribute(assistant, "printable", lambda line: line)),
    Defence("a limit on turns", "slow_models/calls-without-end", raise_limits(requests=40)),
    Defence("a limit on calls", "slow_models/hundred-calls-at-once", raise_limits(tool_calls=10_000)),
    Defence("a limit on time", "slow_models/sleeps", removals.without_timeout),
    Defence(
        "no history from callers",
        "history/message-history",
        replace_attribute(steps, "WorkflowRequest", removals.OpenWorkflowRequest),
    ),
    Defence(
        "daily budget of a token",
        "spending/budget-of-a-token",
        replace_attribute(model_budget, "TOKEN_USD", Decimal(999)),
    ),
    Defence(
        "daily budget of a stack",
        "spending/budget-of-a-stack",
        replace_attribute(model_budget, "STACK_USD", Decimal(999)),
    ),
    Defence(
        "limit of simultaneous runs of a token",
        "spending/eight-of-a-token-at-once",
        replace_attribute(model_budget, "TOKEN_RUNS", 99),
    ),
    Defence(
        "limit of simultaneous runs of a stack",
        "spending/eight-tokens-at-once",
        replace_attribute(model_budget, "STACK_RUNS", 99),
    ),
)

PROPOSALS = (
    Defence("the verdict of the cost model", "over_budget/large-server", removals.always_within_budget),
    Defence("approved changes count", "salami/approved-but-not-applied-counts", removals.forget_approved),
    Defence(
        "alternatives change nothing else",
        "shrinking/backups-are-kept",
        skip_check("is_part_of_request", True),
    ),
    Defence(
        "volumes only grow", "shrinking/smaller-volume", replace_attribute(cost_scaling, "refuse_harm", lambda *_: None)
    ),
    Defence("irreversible changes are not temporary", "tricks/small-volume-for-a-day", skip_check("can_be_temporary")),
    Defence("temporary changes do not overlap", "tricks/a-week-within-a-day", skip_check("no_temporary_overlap")),
)

APPROVALS = (
    Defence("one approval a proposal", "approvals/failed-is-not-approved-again", skip_check("undecided")),
    Defence("proposals expire", "approvals/late-approval", skip_check("proposal_not_expired")),
    Defence("the digest that the person saw", "approvals/wrong-digest", skip_check("digest_matches")),
    Defence("the stack it was planned on", "changed_meanwhile/edited-before-approval", skip_check("stack_unchanged")),
    Defence("the token that was issued", "approvals/guessed-after-approval", skip_check("token_matches")),
    Defence("a token is used once", "approvals/used-up-by-failure", skip_check("approval_unused")),
    Defence("approvals expire", "approvals/late-application", skip_check("approval_not_expired")),
    Defence(
        "the ledger holds what was approved",
        "approvals/document-swapped-after-approval",
        skip_check("matches_approval"),
    ),
    Defence("other stacks' proposals are unknown", "foreign/approve", skip_check("belongs_to_stack")),
    Defence(
        "time never goes back",
        "clock/expired-approval",
        replace_attribute(history.History, "monotonic", lambda _, now: now),
    ),
    Defence("`--yes` needs bounds", "yes_option/no-bounds", replace_attribute(steps, "Bounds", removals.WideBounds)),
    Defence("only allowed settings change", "yes_option/another-key", skip_check("settings_within_bounds")),
    Defence("the cost limit of `--yes`", "yes_option/a-cent-over-the-limit", skip_check("cost_within_bounds")),
    Defence(
        "irreversible changes need approval",
        "yes_option/a-volume-though-it-is-allowed",
        skip_check("can_be_undone"),
    ),
    Defence("runs need approval", "yes_option/a-load", skip_check("covered_by_yes")),
)

LEDGER = (
    Defence("one transaction at a time", "races/eight-approve", removals.without_transactions),
    Defence(
        "one change at a time",
        "races/eight-revert",
        replace_attribute(ledger.Ledger, "exclusive", lambda _: contextlib.nullcontext()),
    ),
    Defence("history is append-only", "approvals/history-rewritten", replace_attribute(history, "TRIGGERS", "")),
    Defence("history lines cannot be replaced", "ledger/replaced", without_trigger("history_is_not_replaced")),
    Defence("history has no gaps", "ledger/chosen-number", without_trigger("history_has_no_gaps")),
    Defence(
        "history hashes are checked",
        "ledger/line-added",
        replace_attribute(history.History, "first_invalid_line", lambda _: None),
    ),
    Defence("a changed history blocks all changes", "ledger/without-triggers", skip_check("history_intact")),
    Defence("the history decides on the state", "ledger/used-approval-revived", removals.forget_failures),
    Defence(
        "the history decides on the approval",
        "ledger/another-token-in-the-table",
        replace_attribute(ledger.Entry, "is_recorded", True),
    ),
    Defence("a change is reverted only once", "ledger/ended-change-revived", skip_check("not_reverted")),
    Defence("the approved end counts", "ledger/end-brought-forward", removals.due_by_column),
)

JOBS = (
    Defence("tools that need approval end the run", "jobs/waits", removals.run_tools_without_approval),
    Defence(
        "tools that need approval do nothing",
        "jobs/replayed-approval",
        replace_attribute(assistant, "APPROVAL_TOOLS", (removals.meltano_run,)),
    ),
    Defence(
        "plain selectors",
        "jobs/selector-is-an-option",
        replace_attribute(assistant, "WORK_TYPES", {"dbt_build": removals.AnySelector}),
    ),
    Defence(
        "plain names of DAGs",
        "jobs/dag-is-a-path",
        replace_attribute(assistant, "WORK_TYPES", {"airflow_trigger": removals.AnyDag}),
    ),
    Defence("a few jobs at once", "jobs/five-at-once", replace_attribute(assistant, "MAX_JOBS", 99)),
    Defence(
        "a call is used once",
        "jobs/call-used-again",
        replace_attribute(ledger, "_SCHEMA", ledger._SCHEMA.replace("call_id TEXT UNIQUE", "call_id TEXT")),
    ),
)

APPLICATION = (
    Defence("the gate on fresh prices", "changed_meanwhile/sold-out-meanwhile", skip_check("passes_gate")),
    Defence(
        "no higher cost than approved", "changed_meanwhile/higher-cost-within-the-budget", skip_check("costs_no_more")
    ),
    Defence("the server that was approved", "changed_meanwhile/another-server", skip_check("uses_approved_server")),
    Defence(
        "the file has the approved settings",
        "changed_meanwhile/budget-edited-while-planning",
        skip_check("file_matches_proposal"),
    ),
    Defence(
        "a failed change is restored",
        "changed_meanwhile/failed-deployment-is-restored",
        replace_attribute(stack_file, "put_back", lambda *_: None),
    ),
    Defence("temporary changes end on time", "temporary_changes/not-before-its-time", removals.everything_due),
    Defence(
        "later edits are kept",
        "temporary_changes/edited-by-hand-afterwards",
        skip_check("settings_to_revert", [("workers",)]),
    ),
)

TOOLS = (
    Defence("the data is opened read-only", "sql/insert", duckdb_option("read_only", value=False)),
    Defence("no files, no network", "sql/read-csv", duckdb_option("config", "enable_external_access", value="true")),
    Defence("locked configuration", "sql/more-memory", duckdb_option("config", "lock_configuration", value="false")),
    Defence("a limit on a query's time", "sql/slow", replace_attribute(duckdb, "SECONDS", 60.0)),
    Defence("a limit on a query's memory", "sql/gigabyte", removals.without_memory_limit),
    Defence(
        "a limit on a result's size",
        "sql/wide-and-long",
        replace_attribute(result, "capped", lambda data: (data, False)),
    ),
)

DEFENCES = (
    *SETTINGS_AND_RESOURCES,
    *MODEL_OUTPUT,
    *PROPOSALS,
    *APPROVALS,
    *LEDGER,
    *JOBS,
    *APPLICATION,
    *TOOLS,
)
