"""The command `version`: which code this is."""

from infra.cli.speech import AsJson, answer, say


def version(as_json: AsJson = False) -> None:
    """Say which code this is.

    Version, commit, record layouts, libraries.

    Example: updown version --json
    """
    from infra.version import about_code

    told = about_code()
    if as_json:
        answer(told)
        return
    commit = f"commit {told['commit'][:12]}" if told["commit"] else "not in a checkout"
    say(f"updown {told['version']} ({commit}{', changed since' if told['changed'] else ''})")
    say(f"python {told['python']}, " + ", ".join(f"{name} {number}" for name, number in told["libraries"].items()))
    say("layouts " + ", ".join(f"{name} {digest}" for name, digest in told["layouts"].items()))
