"""The command line: one file a group of commands; what is heavy is imported inside the command that needs it."""
