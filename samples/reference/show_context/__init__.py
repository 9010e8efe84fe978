# What the host says about the running invocation.
import azure.functions


def main(req: azure.functions.HttpRequest, context: azure.functions.Context) -> str:
    return ",".join(
        [context.invocation_id, context.function_name, context.function_directory]
    )
