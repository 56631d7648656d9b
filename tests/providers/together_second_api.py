"""What Together's second API answers about models, configurations, endpoints and deployments."""

from tests.providers.together_account import BASE, HARDWARE, PROJECT, Account, Record, Refused, Request, answers


@answers("whoami")
def whoami(account: Account, request: Request) -> Record:
    project = {"project": {"id": PROJECT, "slug": "team", "name": "Team"}} if account.key_names_project else {}
    return {"type": "project_api_key", **project}


@answers("models.supported")
def supported(account: Account, request: Request) -> Record:
    second = "after=2" in request.headers["query"]
    name, products = ("openai/gpt-oss-20b", ["PRODUCT_SERVERLESS"]) if second else (BASE, ["PRODUCT_FINE_TUNING"])
    model = {"id": f"sm_{second}", "name": name, "publisher": "Meta", "products": products}
    return {"data": [model | {"createdAt": "2026-01-01T00:00:00Z"}], "next_cursor": None if second else "2"}


@answers("hardware.list")
def hardware(account: Account, request: Request) -> Record:
    return {"object": "list", "data": [{"id": "hw_1", "name": HARDWARE, "priceCentsPerHour": 336}]}


@answers("weights.get")
def get_weights(account: Account, request: Request, ident: str) -> Record:
    if ident not in account.weights:
        raise Refused(404, {"code": 5, "message": "model not found"})
    return {"id": ident, "name": f"team/{ident}", "projectId": PROJECT}


@answers("weights.delete")
def delete_weights(account: Account, request: Request, ident: str) -> Record:
    get_weights(account, request, ident)
    account.weights.remove(ident)
    return {}


@answers("configs.list")
def configs(account: Account, request: Request) -> Record:
    def config(number: int, name: str, mode: str) -> Record:
        count, _, kind = name.partition("x")
        chosen = {"accelerator_count": count, "accelerator_type": kind, "adapter_mode": mode}
        selectors = [{"key": key, "value": value} for key, value in chosen.items()]
        return {"id": f"cr_{mode}_{number}", "projectId": "proj_public", "selectors": selectors}

    found = [config(number, name, "disabled") for number, name in enumerate(account.configs)]
    return {"data": [config(0, "8xnvidia-b200", "dynamic"), *found]}


@answers("endpoints.list")
def list_endpoints(account: Account, request: Request) -> Record:
    return {"data": list(account.endpoints.values())}


@answers("endpoints.create")
def create_endpoint(account: Account, request: Request) -> Record:
    ident, name = f"ep_{len(account.endpoints) + 1}", f"team/{request.sent['name']}"
    if any(one["name"] == name for one in account.endpoints.values()):
        raise Refused(409, {"code": 6, "message": "the name is taken"})
    account.endpoints[ident] = {"id": ident, "name": name, "deployments": []}
    return account.endpoints[ident]


@answers("endpoints.delete")
def delete_endpoint(account: Account, request: Request, ident: str) -> Record:
    if account.endpoints[ident]["deployments"]:
        raise Refused(400, {"code": 9, "message": "it has deployments"})
    del account.endpoints[ident]
    return {}


@answers("deployments.create")
def create_deployment(account: Account, request: Request, endpoint: str) -> Record:
    asked, parent = request.sent, account.endpoints[endpoint]
    if any(one["name"].endswith(asked["name"]) for one in parent["deployments"]):
        raise Refused(409, {"code": 6, "message": "the name is taken"})
    made: Record = asked | {"id": f"dep_{len(parent['deployments']) + 1}", "name": f"{parent['name']}/{asked['name']}"}
    parent["deployments"].append(made)
    return made | {"status": {"state": "DEPLOYMENT_STATE_PROVISIONING", "message": ""}}


@answers("deployments.get")
def get_deployment(account: Account, request: Request, endpoint: str, ident: str) -> Record:
    state = account.deployed.pop(0) if len(account.deployed) > 1 else account.deployed[0]
    message = "no capacity" if state == "FAILED" else ""
    return made_before(account, endpoint, ident) | {
        "status": {"state": f"DEPLOYMENT_STATE_{state}", "message": message}
    }


@answers("deployments.scale")
def scale(account: Account, request: Request, endpoint: str, ident: str) -> Record:
    made = made_before(account, endpoint, ident)
    made |= request.sent
    return made


@answers("deployments.delete")
def delete_deployment(account: Account, request: Request, endpoint: str, ident: str) -> Record:
    made = made_before(account, endpoint, ident)
    if made["autoscaling"]["minReplicas"] != 0:
        raise Refused(400, {"code": 9, "message": "it still runs"})
    account.endpoints[endpoint]["deployments"].remove(made)
    return {}


def made_before(account: Account, endpoint: str, ident: str) -> Record:
    found: Record = next(one for one in account.endpoints[endpoint]["deployments"] if one["id"] == ident)
    return found
