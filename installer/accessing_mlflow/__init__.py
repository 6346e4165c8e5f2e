"""Install the accessing-mlflow skill and its MCP server entry where coding agents really read them."""
