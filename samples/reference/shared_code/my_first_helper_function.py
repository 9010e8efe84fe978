def greeting(user: str) -> str:
    return f"Hello, {user}!"
