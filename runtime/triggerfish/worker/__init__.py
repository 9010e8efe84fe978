"""What runs inside the interpreter of the function app: standard library and azure.functions only."""
