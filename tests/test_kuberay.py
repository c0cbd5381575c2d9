"""The manifest for KubeRay: valid, locked, and of options that `ray start` and partlens have."""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
from tests.test_deploy import (
    ROOT,
    SCRIPT,
    node_options,
    read,
    require_command,
    served_on_ray,
    start_options,
    words,
)

MANIFEST = ROOT / "deploy" / "kuberay" / "partlens.yaml"
SCHEMA = json.loads((Path(__file__).parent / "raycluster.schema.json").read_text())
KUBERNETES = "1.29"
"""The oldest version that the manifest is for."""


@pytest.fixture(name="items")
def items_() -> list[Any]:
    found: list[Any] = read(MANIFEST)["items"]
    return found


def one(items: list[Any], kind: str) -> Any:
    (found,) = (item for item in items if item["kind"] == kind)
    return found


def groups(items: list[Any]) -> list[Any]:
    spec = one(items, "RayCluster")["spec"]
    return [spec["headGroupSpec"], *spec["workerGroupSpecs"]]


def pods(items: list[Any]) -> list[Any]:
    """The specifications of all pods: head, shards, front."""
    templates = [group["template"] for group in groups(items)]
    return [one["spec"] for one in [*templates, one(items, "Deployment")["spec"]["template"]]]


def containers(items: list[Any]) -> list[Any]:
    return [
        container
        for pod in pods(items)
        for container in (*pod.get("initContainers", ()), *pod["containers"])
    ]


def require_valid(items: list[Any]) -> None:
    for item in items:
        if item["kind"] == "RayCluster":
            jsonschema.validate(item, SCHEMA, jsonschema.Draft202012Validator)
            for group in groups([item]):
                pod = {"apiVersion": "v1", "kind": "Pod", **group["template"]}
                kubernetes_validate.validate(pod, KUBERNETES, strict=True)
        else:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_it_is_of_the_schemas_of_kuberay_and_kubernetes(items: list[Any]) -> None:
    require_valid(items)
    assert {item["kind"] for item in items} >= {"RayCluster", "Deployment", "Service"}


def misspelt(items: list[Any]) -> Iterator[list[Any]]:
    """The manifest with one wrong thing each."""
    for place, key, value in (
        ("cluster", "workerGroupSpec", []),
        ("cluster", "rayVersion", 2.6),
        ("head", "rayStartParams", {"num-cpus": 0}),
        ("head", "replicas", 2),
        ("pod", "securityContexts", {}),
        ("pod", "containers", [{"image": "no name"}]),
        ("container", "readOnlyRootFilesystem", True),
        ("front", "replicas", "one"),
    ):
        wrong = copy.deepcopy(items)
        cluster = one(wrong, "RayCluster")["spec"]
        head = cluster["headGroupSpec"]
        pod = head["template"]["spec"]
        places = {"cluster": cluster, "head": head, "pod": pod, "container": pod["containers"][0]}
        places["front"] = one(wrong, "Deployment")["spec"]
        places[place][key] = value
        yield wrong


def test_a_wrong_field_is_noticed(items: list[Any]) -> None:
    for wrong in misspelt(items):
        with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
            require_valid(wrong)


def test_no_container_is_root_or_writes_to_its_image(items: list[Any]) -> None:
    for pod in pods(items):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        for volume in pod["volumes"]:
            assert "hostPath" not in volume
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], volume
    for container in containers(items):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"], container["name"]
        assert re.fullmatch(r"partlens:\d[\d.]*-ray", container["image"])


def test_every_ray_node_asks_for_the_token_and_reads_it_from_a_file(items: list[Any]) -> None:
    nodes = [pod["containers"][0] for pod in pods(items)]
    assert len(nodes) == 3
    for node in nodes:
        environment = {each["name"]: each["value"] for each in node["env"]}
        assert environment["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN" not in environment
        folder = Path(environment["RAY_AUTH_TOKEN_PATH"]).parent
        (mount,) = (each for each in node["volumeMounts"] if each["mountPath"] == str(folder))
        assert mount["readOnly"] is True
    assert not [item for item in items if item["kind"] == "Secret"]


def test_only_the_front_sees_keys_and_only_it_writes_the_gallery(items: list[Any]) -> None:
    head, shards, front = pods(items)
    claims = [
        {
            volume["persistentVolumeClaim"]["claimName"]: volume["persistentVolumeClaim"]
            for volume in pod["volumes"]
            if "persistentVolumeClaim" in volume
        }
        for pod in (head, shards, front)
    ]
    assert [set(each) for each in claims] == [
        set(),
        {"partlens-shared"},
        {"partlens", "partlens-shared"},
    ]
    assert claims[1]["partlens-shared"]["readOnly"] is True
    assert "readOnly" not in claims[2]["partlens-shared"]
    made = {item["metadata"]["name"] for item in items if item["kind"] == "PersistentVolumeClaim"}
    assert made == {"partlens", "partlens-shared"}
    deployment = one(items, "Deployment")["spec"]
    assert deployment["replicas"] == 1 and deployment["strategy"] == {"type": "Recreate"}


def test_every_mount_has_its_volume_and_every_selector_its_pods(items: list[Any]) -> None:
    for pod in pods(items):
        named = {volume["name"] for volume in pod["volumes"]}
        every = (*pod.get("initContainers", ()), *pod["containers"])
        assert {mount["name"] for each in every for mount in each["volumeMounts"]} == named
    labels = [
        *(group["template"]["metadata"]["labels"] for group in groups(items)),
        one(items, "Deployment")["spec"]["template"]["metadata"]["labels"],
    ]
    # KubeRay adds these.
    labels[1] = labels[1] | {"ray.io/cluster": "partlens", "ray.io/group": "shards"}

    def chosen(selector: Mapping[str, str]) -> list[int]:
        return [i for i, each in enumerate(labels) if selector.items() <= each.items()]

    assert chosen(one(items, "Service")["spec"]["selector"]) == [2]
    assert chosen(one(items, "Deployment")["spec"]["selector"]["matchLabels"]) == [2]
    assert chosen(one(items, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]) == [1]
    policies = [item["spec"] for item in items if item["kind"] == "NetworkPolicy"]
    assert [chosen(policy["podSelector"]["matchLabels"]) for policy in policies] == [[0, 1, 2], [2]]


def test_every_command_exists_and_names_the_head(items: list[Any]) -> None:
    given = {each["name"]: each for each in containers(items)}
    (text,) = given["gallery"]["args"]
    found = [words(each) for each in re.findall(r"exec partlens (.*)", text)]
    script, head = given["partlens"]["command"]
    assert script == SCRIPT.name
    assert head == f"{one(items, 'RayCluster')['metadata']['name']}-head-svc:6379"
    found += [served_on_ray([head, *given["partlens"]["args"]]), given["setup"]["args"]]
    assert [command[0] for command in found] == ["index", "serve", "setup"]
    for command in found:
        require_command(command)


def test_every_option_of_ray_exists(items: list[Any]) -> None:
    given = {f"--{name}" for group in groups(items) for name in group["rayStartParams"]}
    given |= {option.split("=")[0] for option in node_options()}
    assert given and given <= start_options()
    assert one(items, "RayCluster")["spec"]["rayVersion"] == metadata.version("ray")
