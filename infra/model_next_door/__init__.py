"""A language model next door: a real server of OpenAI's chat completions whose answers and faults are scripted."""
