"""What the files below deploy/ say of the product, held against the product: commands and configuration by the real binary,
ports, paths, names and hardening by comparing the files with each other and with the source. Each rule is a function that
gives its faults, and is given a bent copy at the end, in which it must find one. Called by deploy.sh, with the binary and the
folder of what helm and kustomize made."""

import copy
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
BINARY = str(Path(sys.argv[1]).resolve())
WORK = Path(sys.argv[2])
DEPLOY = TOP / "deploy"
AWAY, NOBODY_THERE = 75, 1


def read(path):
    return (TOP / path).read_text(encoding="utf-8")


def documents(name):
    return [document for document in yaml.safe_load_all((WORK / name).read_text(encoding="utf-8")) if document]


def toml_addresses(value):
    """Every `url` of a configuration."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "url":
                yield inner
            yield from toml_addresses(inner)


# --- Processes: what is started, with which environment and configuration.

SECRETS = tempfile.TemporaryDirectory()
for name, content in {
    "database_url": "postgres://nobody@127.0.0.1:1/none",
    "sealing_key": "07" * 32,
    "polygon_rpc": "https://127.0.0.1:1/key",
}.items():
    for spelling in (name, name.replace("_", "-")):
        Path(SECRETS.name, spelling).write_text(content + "\n", encoding="utf-8")


def process_faults(process):
    """Runs it: where command and configuration are good, it gets as far as a database that is not there."""
    with tempfile.TemporaryDirectory() as folder:
        here = lambda text: re.sub(r"/run/secrets/(deposit-watcher/)?|%d/", process["secrets"] + "/", text)
        if process["config"] is not None:
            Path(folder, "networks.toml").write_text(here(process["config"]), encoding="utf-8")
        environment = {name: here(str(value)) for name, value in process["environment"].items()}
        arguments = [word.replace("/etc/deposit-watcher/", "") for word in process["arguments"]]
        ended = subprocess.run(
            [BINARY, *arguments, "--set", "database.connect_timeout=100ms"],
            env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )
    expected = NOBODY_THERE if "health" in arguments else AWAY
    if ended.returncode == expected:
        return []
    return [f"{process['name']}: ends with {ended.returncode}, not {expected}: {ended.stderr.strip()}"]


def process(name, arguments, environment, config, secrets=SECRETS.name):
    return {"name": name, "arguments": arguments, "environment": environment, "config": config, "secrets": secrets}


# --- The image.

def image():
    text = re.sub(r"\\\n\s*", " ", read("deploy/docker/Dockerfile"))
    runtime = text.split(" AS runtime", 1)[1]
    environment = dict(pair.split("=", 1) for line in re.findall(r"^ENV (.*)$", runtime, re.M) for pair in shlex.split(line))
    one = lambda pattern: re.search(pattern, runtime, re.M).group(1)
    return {
        "environment": environment,
        "exposed": [int(port) for port in one(r"^EXPOSE (.*)$").split()],
        "user": one(r"^USER (.*)$"),
        "health": json.loads(one(r"HEALTHCHECK .*CMD (\[.*\])$")),
        "entry": json.loads(one(r"^ENTRYPOINT (.*)$")),
        "command": json.loads(one(r"^CMD (.*)$")),
        "installed": re.search(r"install .*release/deposit-watcher /out(\S+)", text).group(1),
    }


def port_of(environment, key):
    return int(environment[f"DEPOSIT_WATCHER__{key}"].rsplit(":", 1)[1])


def image_faults(image):
    environment = image["environment"]
    listened = {port_of(environment, key) for key in ("HTTP__LISTEN", "ADMIN__LISTEN", "ADMIN__API_LISTEN")}
    if listened != set(image["exposed"]):
        yield f"the image exposes {image['exposed']} and listens at {listened}"
    if port_of(environment, "ADMIN__LISTEN") != port_of(environment, "ADMIN__API_LISTEN"):
        yield "the image's health check does not fit `api`"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", image["user"]):
        yield f"the image's user is {image['user']}, by name or root"
    if not image["entry"] == image["health"][:1] == [image["installed"]]:
        yield "the image starts or asks another file than it installs"
    example = read("networks.toml")
    keyed = environment | {
        "DEPOSIT_WATCHER__DATABASE__URL_FILE": "/run/secrets/database_url",
        "DEPOSIT_WATCHER__API__SEALING_KEY_FILE": "/run/secrets/sealing_key",
    }
    for arguments in (image["command"], ["api"], image["health"][1:]):
        yield from process_faults(process(f"the image's {' '.join(arguments)}", arguments, keyed, example))


def context_faults(ignore):
    """What is compiled or compiled in must be let into the image's build by its .dockerignore."""
    lines = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    if lines[0] != "*":
        yield "the build's context does not begin with nothing"
    allowed = [line.removeprefix("!") for line in lines[1:]]
    for path in allowed:
        if not (TOP / path).exists():
            yield f"the build's context lets in {path}, which is not there"
    cargo = tomllib.loads(read("Cargo.toml"))
    needed = {"Cargo.toml", "Cargo.lock", "migrations", ".sqlx", "src/main.rs", "askama.toml"}
    needed |= {target["path"] for kind in ("bench", "example") for target in cargo.get(kind, [])}
    for source in (TOP / "src").rglob("*.rs"):
        if "tests" not in source.relative_to(TOP).parts:
            included = re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text(encoding="utf-8"))
            needed |= {str((source.parent / path).resolve().relative_to(TOP)) for path in included}
    for path in sorted(needed):
        if not any(path == let_in or path.startswith(let_in + "/") for let_in in allowed):
            yield f"the build needs {path}, which its context does not let in"


# --- compose.

def compose_processes(compose):
    demo = read("deploy/compose/demo.toml")
    secrets = str(WORK / "secrets")
    for name, service in compose["services"].items():
        if "build" in service:
            environment = IMAGE["environment"] | {
                key: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)) for key, value in service["environment"].items()
            }
            yield process(f"compose's {name}", service["command"], environment, demo, secrets)
            asked = service["healthcheck"].get("test", [])[2:]
            if asked:
                yield process(f"compose's health check of {name}", asked, environment, demo, secrets)


def compose_faults(compose):
    services = compose["services"]
    for name, service in services.items():
        if not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            yield f"{name} may write its root or keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name} may gain privileges"
        if service["restart"] == "unless-stopped" and "test" not in service.get("healthcheck", {}):
            yield f"{name} runs for ever and is never asked whether it lives"
        for port in service.get("ports", []):
            if not re.match(r"^(\$\{\w+:-)?127\.0\.0\.1:", port):
                yield f"{name} is published to the world by {port}"
            inside = int(port.rsplit(":", 1)[1])
            if name == "api" and inside != port_of(IMAGE["environment"], "HTTP__LISTEN"):
                yield f"{name} is published at {inside}, where it does not listen"
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|SEALING|DATABASE", variable) and not str(value).startswith("/run/secrets/"):
                yield f"{name} has a secret in {variable}"
        mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
        used = {value for value in service.get("environment", {}).values() if str(value).startswith("/run/secrets/")}
        if not used <= mounted or not mounted <= {f"/run/secrets/{secret}" for secret in compose["secrets"]}:
            yield f"{name} uses secrets {sorted(used)} and is given {sorted(mounted)}"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith(".") and not (DEPLOY / "compose" / source).exists():
                yield f"{name} mounts {source}, which is not there"
            if not source.startswith(".") and source not in compose["volumes"]:
                yield f"{name} mounts {source}, which is no volume"
        for other in service.get("depends_on", {}):
            if other not in services:
                yield f"{name} waits for {other}, which is no service"
    if services["postgres"].get("ports") or not compose["networks"]["database"].get("internal"):
        yield "the database can be reached from outside"
    for secret in compose["secrets"].values():
        if not (WORK / "secrets" / Path(secret["file"]).name).exists():
            yield f"secrets.sh does not draw {secret['file']}"


def reach_faults(compose, links):
    """Each link is (who asks, the address it asks): a service at a port where something listens, on a network of both."""
    ports = {"postgres": 5432, "prometheus": 9090, "anvil": 8545}
    admin = port_of(IMAGE["environment"], "ADMIN__LISTEN")
    for who, address in links:
        host, port = re.fullmatch(r"(?:\w+://)?(?:[^@/]+@)?([\w.-]+):(\d+)(?:/.*)?", address).groups()
        service = compose["services"].get(host)
        if service is None:
            yield f"{who} asks {host}, which is no service"
        elif not set(service["networks"]) & set(compose["services"][who]["networks"]):
            yield f"{who} and {host} have no network in common"
        elif int(port) != ports.get(host, admin):
            yield f"{who} asks {host} at {port}, where nothing listens"


def links():
    yield "watcher", (WORK / "secrets/database_url").read_text(encoding="utf-8").strip()
    yield "api", (WORK / "secrets/database_url").read_text(encoding="utf-8").strip()
    yield "migrate", (WORK / "secrets/database_url").read_text(encoding="utf-8").strip()
    for url in toml_addresses(tomllib.loads(read("deploy/compose/demo.toml"))):
        yield "watcher", url
    yield "token", COMPOSE["services"]["token"]["command"][-1]
    for job in yaml.safe_load(read("deploy/compose/prometheus.yml"))["scrape_configs"]:
        for group in job["static_configs"]:
            yield from (("prometheus", target) for target in group["targets"])
    for source in yaml.safe_load(read("deploy/compose/grafana/datasources/prometheus.yml"))["datasources"]:
        yield "grafana", source["url"]


def grafana_faults(compose, provider):
    targets = [volume.split(":")[1] for volume in compose["services"]["grafana"]["volumes"]]
    path = provider["providers"][0]["options"]["path"]
    if path not in targets:
        yield f"grafana looks for dashboards in {path}, where none are mounted"


def token_faults(token, demo):
    artifact = json.loads(read("tests/tokens/artifacts.json"))["Plain6"]["bytecode"]
    if token["params"][0]["data"] != artifact or token["params"][0]["nonce"] != "0x0":
        yield "token.json is not the first transaction, with the token of tests/tokens"
    example = tomllib.loads(read("networks.toml"))["networks"]["anvil"]["tokens"]["usdc"]["address"]
    if demo["networks"]["anvil"]["tokens"]["usdc"]["address"] != example:
        yield "demo.toml has the token elsewhere than networks.toml"


# --- systemd.

def unit(text):
    settings = {}
    for line in re.findall(r"^(\w+)=(.*)$", text, re.M):
        settings.setdefault(line[0], []).append(line[1])
    return settings


def unit_faults(name, unit):
    environment = dict(pair.split("=", 1) for pair in unit["Environment"])
    given = {credential.split(":")[0] for credential in unit["LoadCredential"]}
    used = {value.removeprefix("%d/") for value in environment.values() if value.startswith("%d/")}
    if given != used:
        yield f"{name} is given {sorted(given)} and uses {sorted(used)}"
    # What runs once says nothing and has nothing to drain.
    if unit["Type"] != ["oneshot"]:
        if unit["Type"] != ["notify"] or "READY=1" not in read("src/app/service_manager.rs"):
            yield f"{name} waits for a word that is not said"
        stop, drain = int(unit["TimeoutStopSec"][0].rstrip("s")), re.search(r"DRAIN: .*\((\d+)_(\d+)\)", read("src/app/ground.rs"))
        if stop * 1_000 <= int("".join(drain.groups())):
            yield f"{name} is killed while it drains"
    command = shlex.split(unit["ExecStart"][0].replace("%i", "anvil"))
    yield from process_faults(process(name, command[1:], environment, read("networks.toml")))


# --- Kubernetes.

SERVED = set(re.findall(r'route\("(/\w+)"', read("src/http/admin.rs")))


def pods(documents):
    for document in documents:
        if document["kind"] in ("Deployment", "Job"):
            yield document, document["spec"]["template"]
        if document["kind"] == "CronJob":
            yield document, document["spec"]["jobTemplate"]["spec"]["template"]


def cluster_processes(documents, where):
    configs = {document["metadata"]["name"]: document["data"]["networks.toml"] for document in documents if document["kind"] == "ConfigMap"}
    for document, pod in pods(documents):
        container = pod["spec"]["containers"][0]
        volumes = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
        environment = IMAGE["environment"] | {pair["name"]: pair["value"] for pair in container["env"]}
        config = configs.get(volumes[0]) if volumes else None
        yield process(f"{where}'s {document['metadata']['name']}", container["args"], environment, config)


def cluster_faults(documents):
    configs = {document["metadata"]["name"] for document in documents if document["kind"] == "ConfigMap"}
    for document, pod in pods(documents):
        name, spec, container = document["metadata"]["name"], pod["spec"], pod["spec"]["containers"][0]
        inside, outside = container["securityContext"], spec["securityContext"]
        held = {
            "links to services": spec["enableServiceLinks"] is False,
            "a service account's token": spec["automountServiceAccountToken"] is False,
            "root": outside["runAsNonRoot"] and f"{outside['runAsUser']}:{outside['runAsGroup']}" == IMAGE["user"],
            "every system call": outside["seccompProfile"]["type"] == "RuntimeDefault",
            "a root it can write": inside["readOnlyRootFilesystem"],
            "capabilities": inside["capabilities"] == {"drop": ["ALL"]} and inside["allowPrivilegeEscalation"] is False,
            "memory without end": "memory" in container["resources"]["limits"],
        }
        yield from (f"{name} has {what}" for what, kept in held.items() if not kept)
        environment = {pair["name"]: pair["value"] for pair in container["env"]}
        listens = {"http": "HTTP__LISTEN", "admin": "ADMIN__API_LISTEN" if "api" in container["args"] else "ADMIN__LISTEN"}
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for port, number in ports.items():
            if number != port_of(environment, listens[port]):
                yield f"{name} does not listen at its port {port}"
        if document["kind"] == "Deployment":
            for probe, path in (("startup", "/livez"), ("liveness", "/livez"), ("readiness", "/readyz")):
                asked = container[f"{probe}Probe"]["httpGet"]
                if asked["port"] not in ports or asked["path"] != path or path not in SERVED:
                    yield f"{name} is asked for {asked} by its {probe} probe"
            if spec["terminationGracePeriodSeconds"] < 15 or ("api" in ports and "lifecycle" not in container):
                yield f"{name} is ended too soon"
        for volume in spec["volumes"]:
            if "configMap" in volume and volume["configMap"]["name"] not in configs:
                yield f"{name} mounts {volume['configMap']['name']}, which is not there"
            if "configMap" in volume and "helm.sh/hook" in document["metadata"].get("annotations", {}):
                yield f"{name} comes before what it mounts"
    yield from selector_faults(documents)


def selector_faults(documents):
    """Services, policies and budgets must mean pods that there are, and ports that those have."""
    everything = [(pod["metadata"]["labels"], pod["spec"]["containers"][0]) for _, pod in pods(documents)]
    services = [document["metadata"]["labels"] for document in documents if document["kind"] == "Service"]
    for document in documents:
        name, spec = f"{document['kind']} {document['metadata']['name']}", document.get("spec", {})
        asked = {
            "Service": lambda: (spec["selector"], [port["targetPort"] for port in spec["ports"]]),
            "NetworkPolicy": lambda: (
                spec["podSelector"]["matchLabels"],
                [port["port"] for rule in spec["ingress"] for port in rule["ports"]],
            ),
            "PodDisruptionBudget": lambda: (spec["selector"]["matchLabels"], []),
            "Deployment": lambda: (spec["selector"]["matchLabels"], []),
        }.get(document["kind"])
        if document["kind"] == "ServiceMonitor":
            wanted = spec["selector"]["matchLabels"].items()
            if sum(wanted <= labels.items() for labels in services) != 1:
                yield f"{name} does not mean one service"
        if asked is None:
            continue
        labels, ports = asked()
        meant = [container for found, container in everything if labels.items() <= found.items()]
        if not meant:
            yield f"{name} means no pod"
        known = {port["name"] for container in meant for port in container.get("ports", [])}
        if not set(ports) <= known:
            yield f"{name} means ports {ports} of pods that have {sorted(known)}"


def rule_faults(documents):
    """The chart's rules are those of deploy/prometheus, and promtool takes them as they came out."""
    rules = [document for document in documents if document["kind"] == "PrometheusRule"]
    sources = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
    if not sources or len(rules) != len(sources):
        yield f"{len(rules)} PrometheusRules of {len(sources)} files"
    said = [yaml.safe_load(source.read_text(encoding="utf-8"))["groups"] for source in sources]
    if [rule["spec"]["groups"] for rule in rules] != said:
        yield "the chart's rules are others than those in deploy/prometheus"


# --- Words: commands that are told to people.

def command_faults(text):
    for line in text.splitlines():
        for told in re.findall(r"`deposit-watcher ([^`]+)`", line) + re.findall(r"^\s*(?:\S+=\S+ )*(?:.* -- )?(?:sudo )?(?:\S*/)?deposit-watcher ([a-z-][^#|]*)", line):
            words = [word for word in shlex.split(told) if word != "…"]
            ended = subprocess.run([BINARY, *words, "--help"], env={}, capture_output=True, text=True, timeout=60, check=False)
            if ended.returncode != 0:
                yield f"`deposit-watcher {told.strip()}` is no command: {ended.stderr.splitlines()[0]}"


def name_faults(text):
    """A user that is made for one command is nobody: what a person decides by it is kept with the name that is handed on."""
    recipes = re.findall(r"^systemd-run (?:.*\\\n)*.*", text, re.MULTILINE)
    if not recipes or not all(' -E SUDO_USER="${SUDO_USER:-$USER}" ' in recipe for recipe in recipes):
        yield "a command by hand does not say whose it is"


def told():
    for path in [DEPLOY / "README.md", *(DEPLOY / "helm").rglob("NOTES.txt"), *(DEPLOY / "systemd").glob("*.service")]:
        yield path.read_text(encoding="utf-8").replace("# ", "\n")


# --- All of it, and then bent.

IMAGE = image()
COMPOSE = yaml.safe_load(read("deploy/compose/compose.yaml"))
DEMO = tomllib.loads(read("deploy/compose/demo.toml"))
TOKEN = json.loads(read("deploy/compose/token.json"))
PROVIDER = yaml.safe_load(read("deploy/compose/grafana/dashboards/deposit-watcher.yml"))
UNITS = {path.name: unit(path.read_text(encoding="utf-8")) for path in sorted((DEPLOY / "systemd").glob("*.service"))}
CLUSTERS = {name: documents(f"{name}.yaml") for name in ("least", "full", "bare", "kustomize")}
IGNORE = read("deploy/docker/Dockerfile.dockerignore")


def all_faults():
    yield from image_faults(IMAGE)
    yield from context_faults(IGNORE)
    yield from compose_faults(COMPOSE)
    yield from reach_faults(COMPOSE, links())
    yield from grafana_faults(COMPOSE, PROVIDER)
    yield from token_faults(TOKEN, DEMO)
    for name, settings in UNITS.items():
        yield from unit_faults(name, settings)
    for where, found in CLUSTERS.items():
        yield from cluster_faults(found)
    yield from rule_faults(CLUSTERS["full"])
    for text in told():
        yield from command_faults(text)
    yield from name_faults(read("deploy/README.md"))
    started = [*compose_processes(COMPOSE)]
    for where, found in CLUSTERS.items():
        started += cluster_processes(found, where)
    for one in started:
        yield from process_faults(one)
    counts["processes"] = len(started) + len(UNITS) + 3


def bent(original, bend):
    """A deep copy, with one thing changed."""
    changed = copy.deepcopy(original)
    bend(changed)
    assert changed != original, "nothing was bent"
    return changed


def of(found, kind, part=""):
    return next(document for document in found if document["kind"] == kind and part in document["metadata"]["name"])


def container_of(found, part):
    return of(found, "Deployment", part)["spec"]["template"]["spec"]["containers"][0]


def planted():
    """Each is what a rule must object to."""
    full, watcher = CLUSTERS["full"], UNITS["deposit-watcher.service"]
    image = lambda bend: image_faults(bent(IMAGE, bend))
    compose = lambda bend: compose_faults(bent(COMPOSE, bend))
    cluster = lambda bend: cluster_faults(bent(full, bend))
    service = lambda name: lambda made: made["services"][name]
    yield "a port not exposed", image(lambda made: made["exposed"].pop())
    yield "root by number", image(lambda made: made.update(user="0:0"))
    yield "an unknown variable", image(lambda made: made["environment"].update(DEPOSIT_WATCHER__HTTP__LISTENS="0.0.0.0:1"))
    yield "an unknown command", image(lambda made: made.update(command=["wach"]))
    yield "a health check that is none", image(lambda made: made["health"].append("--soon"))
    yield "a folder left out", context_faults(IGNORE.replace("!migrations\n", ""))
    yield "a file taken in left out", context_faults(IGNORE.replace("!tests/tokens/artifacts.json\n", ""))
    yield "a root that can be written", compose(lambda made: service("api")(made).update(read_only=False))
    yield "no health check", compose(lambda made: service("watcher")(made).pop("healthcheck"))
    yield "a port for the world", compose(lambda made: service("api")(made).update(ports=["8080:8080"]))
    yield "a port nobody listens at", compose(lambda made: service("api")(made).update(ports=["127.0.0.1:80:8081"]))
    yield "the database published", compose(lambda made: service("postgres")(made).update(ports=["127.0.0.1:5432:5432"]))
    yield "a secret in the environment", compose(lambda made: service("postgres")(made)["environment"].update(POSTGRES_PASSWORD="x"))
    yield "a secret that is not given", compose(lambda made: service("api")(made).update(secrets=["database_url"]))
    yield "a file that is not there", compose(lambda made: service("token")(made).update(volumes=["./tokens.json:/token.json"]))
    yield "a secret nobody draws", compose(lambda made: made["secrets"].update(more={"file": "./secrets/more"}))
    yield "a wrong port asked", reach_faults(COMPOSE, [("prometheus", "watcher:9465")])
    yield "a wrong host asked", reach_faults(COMPOSE, [("prometheus", "watchers:9464")])
    yield "a network apart", reach_faults(COMPOSE, [("prometheus", "postgres:5432")])
    yield "dashboards elsewhere", grafana_faults(COMPOSE, bent(PROVIDER, lambda made: made["providers"][0]["options"].update(path="/x")))
    yield "another token", token_faults(bent(TOKEN, lambda made: made["params"][0].update(data="0x00")), DEMO)
    yield "a credential not given", unit_faults("bent", bent(watcher, lambda made: made["LoadCredential"].pop()))
    yield "killed while draining", unit_faults("bent", bent(watcher, lambda made: made.update(TimeoutStopSec=["9s"])))
    yield "a unit's unknown command", unit_faults("bent", bent(watcher, lambda made: made.update(ExecStart=["/x ru"])))
    yield "links to services", cluster(lambda made: of(made, "Job")["spec"]["template"]["spec"].update(enableServiceLinks=True))
    yield "capabilities", cluster(lambda made: container_of(made, "watcher")["securityContext"].pop("capabilities") and
                                  container_of(made, "watcher")["securityContext"].update(capabilities={}))
    yield "a probe nobody answers", cluster(lambda made: container_of(made, "api")["livenessProbe"]["httpGet"].update(path="/healthz"))
    yield "a port moved", cluster(lambda made: container_of(made, "watcher")["ports"][0].update(containerPort=9465))
    yield "a service that means no pod", cluster(lambda made: of(made, "Service", "-api")["spec"]["selector"].update(a="b"))
    yield "a policy for a port that is none", cluster(
        lambda made: of(made, "NetworkPolicy", "-watcher")["spec"]["ingress"][0]["ports"][0].update(port="metrics"))
    yield "a monitor that means nothing", cluster(lambda made: of(made, "ServiceMonitor")["spec"]["selector"]["matchLabels"].update(a="b"))
    yield "a rule left out", rule_faults(bent(full, lambda made: of(made, "PrometheusRule")["spec"]["groups"].pop()))
    yield "a nightly run that may do anything", cluster(
        lambda made: of(made, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].pop("resources") and
        of(made, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0].update(resources={"limits": {}}))
    yield "a nightly run of no network", (
        fault for one in cluster_processes(bent(full, lambda made: of(made, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"].insert(2, "poligon")), "bent")
        for fault in process_faults(one))
    yield "a configuration with a fault", (
        fault for one in cluster_processes(bent(full, lambda made: of(made, "ConfigMap")["data"].update({"networks.toml": "quorun = 1"})), "bent")
        for fault in process_faults(one))
    yield "a command told wrongly", command_faults("run `deposit-watcher migrat`")
    yield "a flag told wrongly", command_faults("    sudo deposit-watcher migrate --stats")
    yield "nobody's command", name_faults("systemd-run --pipe \\\n  -p DynamicUser=yes \\\n  /usr/local/bin/deposit-watcher check")


counts = {}
faults = list(all_faults())
for fault in faults:
    print(f"deploy: {fault}", file=sys.stderr)
missed = 0
for number, (what, found) in enumerate(planted(), 1):
    if not list(found):
        print(f"deploy: {what} was planted and not found", file=sys.stderr)
        missed += 1
if faults or missed:
    sys.exit(1)
print(f"deploy: {counts['processes']} processes start with what their files give them, and {number} planted faults are found")
