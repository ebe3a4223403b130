"""The record's questions as an MCP server, for other agents: read-only tools over stdio, or over HTTP with a token."""
