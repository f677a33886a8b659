"""Ask for what only the owner of a server knows: address, price, and whether the host key is right."""

from __future__ import annotations

from functools import partial

from infra.hosts.ssh import known
from infra.operations.setup_prompts import SetupPrompter
from infra.settings import Settings
from infra.stack_file import read, write
from stack_runtime.errors import StackError
from stack_runtime.paths import keys_folder, project_dir

PRICE = {
    "amount": "What the server costs, as a number such as 4.99",
    "currency": "Currency of that price (EUR or USD)",
    "tax": "Is it gross (with VAT) or net?",
    "per": "For how long is it paid? (hour, month or year)",
    "date": "The day on which you looked it up, such as 2026-12-31",
}
"""Questions for the parts of the setting `serverPrice`."""


def missing(settings: Settings) -> dict[str, str]:
    """Return the commands that set missing values, by name of the value. A host key is missing until it is pinned."""
    found, stack = {}, settings.stack
    if settings.server_price is None:
        example = '{"amount": "4.99", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-12-31"}'
        found["serverPrice"] = f"pulumi config set --json serverPrice '{example}' --stack {stack}"
    if not settings.ssh_host:
        found["sshHost"] = f"pulumi config set sshHost ADDRESS --stack {stack}"
    elif known.pinned(keys_folder(project_dir(), stack)) is None:
        try:
            known.check(settings, project_dir())
        except StackError as error:
            found[f"an accepted host key ({error.what})"] = f"fds setup --stack {stack} --accept-host-key SHA256:…"
    return found


def prompt(prompter: SetupPrompter) -> list[str]:
    """Ask for a missing address or price, and whether to trust an unknown host key.

    Returns: names of the settings that were stored.
    """
    stored = []
    if not read(prompter.project, prompter.stack).ssh_host:
        answer = prompter.usable("Name or address of the server", partial(_check_setting, prompter.stack, "sshHost"))
        write(prompter.project, prompter.stack, {"sshHost": answer})
        stored.append("sshHost")
    settings = read(prompter.project, prompter.stack)
    known.trust(settings, prompter.project, prompter.ask)
    if settings.server_price is None:
        price: dict[str, str] = {}
        for part, question in PRICE.items():
            price[part] = prompter.usable(question, partial(_check_price_part, prompter.stack, part))
        write(prompter.project, prompter.stack, {"serverPrice": price})
        stored.append("serverPrice")
    return stored


def _check_setting(stack: str, name: str, value: str) -> None:
    """Raise a `UsageError` if `value` is not valid for the setting `name`."""
    Settings.of(stack, {name: value})


def _check_price_part(stack: str, part: str, value: str) -> None:
    """Raise a `UsageError` if `value` is not valid for this part of the setting `serverPrice`."""
    valid = {"amount": "1", "currency": "EUR", "tax": "gross", "per": "month", "date": "2026-01-01"}
    Settings.of(stack, {"serverPrice": {**valid, part: value}})
