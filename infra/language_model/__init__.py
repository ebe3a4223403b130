"""The one way in which any part asks a language model: settings, a budget, a client whose failures are typed."""
