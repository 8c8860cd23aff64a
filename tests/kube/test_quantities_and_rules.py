"""The rules of Kubernetes: quantities, what the scheduler counts, and the limits of names and labels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.kube.names import check_label_key, check_label_value, is_dns_subdomain
from optimizer.kube.quantities import MAX_QUANTITY, parse_quantity, parse_resources, pod_requests
from optimizer.model import Resources


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("0", 1, 0),
        ("100m", 1000, 100),
        ("1.5", 1000, 1500),
        ("4Gi", 1, 4 * 2**30),
        ("4G", 1, 4 * 10**9),
        ("1.5Gi", 1, 3 * 2**29),
        ("1Ki", 1, 1024),
        ("1Ei", 1, 2**60),
        ("1k", 1, 1000),
        ("4e9", 1, 4 * 10**9),
        ("129e6", 1, 129_000_000),
        ("1E3", 1, 1000),
        ("1e+3", 1, 1000),
        ("5e-1", 1000, 500),
        ("1E", 1, 10**18),
        ("0.5", 1000, 500),
        (".5", 1000, 500),
        ("5.", 1, 5),
        ("+1", 1, 1),
        ("-0", 1, 0),
        ("007", 1, 7),
        (" 2 ", 1, 2),
        (2, 1000, 2000),
        (0.5, 1000, 500),
        (1e21, 1, MAX_QUANTITY),
        ("128974848000m", 1, 128_974_848),
    ],
)
def test_every_form_of_quantity_is_read(text: str | int | float, unit: int, value: int) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("1n", 1000, 1), ("1u", 1000, 1), ("1m", 1, 1), ("1001m", 1, 2), ("0.1", 1, 1), ("1e-300", 1, 1), ("0n", 1, 0)],
)
def test_a_fraction_of_the_unit_is_rounded_up_as_the_scheduler_does(text: str, unit: int, value: int) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize("text", ["9223372036854775808", "8Ei", "100E", "1e19", "1e999999999", "9" * 200])
def test_a_quantity_beyond_63_bits_is_capped_at_once(text: str) -> None:
    assert parse_quantity(text) == parse_quantity(text, 1000) == MAX_QUANTITY


def test_the_smallest_exponent_is_read_at_once() -> None:
    assert parse_quantity("1e-999999999") == 1
    assert parse_quantity("0e-999999999") == 0


@pytest.mark.parametrize(
    "text",
    [
        *["", " ", "+", ".", "m", "abc", "1 Gi", "1KiB", "1K", "1gi", "1GiB", "0x10", "NaN", "inf", "1e", "1e1.5"],
        *["1,5", "--1", "1_000", "½", "\u0661", "1\n2", "1Gi\x00", "9" * 201],
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        parse_quantity(text)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), True, 10**300])
def test_a_number_that_is_no_quantity_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        parse_quantity(number)


@pytest.mark.parametrize("text", ["-1", "-0.5m", "-1Gi", -1, -0.5])
def test_a_negative_quantity_is_refused(text: str | float) -> None:
    with pytest.raises(ValueError, match="is negative"):
        parse_quantity(text)


def test_true_is_refused_after_one_was_read() -> None:
    assert parse_quantity(1) == 1
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        parse_quantity(True)


@given(st.integers(0, MAX_QUANTITY), st.sampled_from([1, 1000]))
def test_a_written_amount_is_read_back(amount: int, unit: int) -> None:
    assert parse_quantity(f"{amount}{'m' if unit == 1000 else ''}", unit) == amount


@given(st.text(alphabet="0123456789.+-eEimkKMGn ", max_size=12))
def test_any_text_is_a_quantity_or_refused(text: str) -> None:
    try:
        assert 0 <= parse_quantity(text) <= MAX_QUANTITY
    except ValueError as error:
        assert str(error).isprintable()  # noqa: PT017 -- both outcomes are right


def test_resources_name_the_one_that_is_wrong() -> None:
    given: dict[str, str | int | float] = {
        "cpu": "1",
        "memory": "1Ki",
        "pods": 110,
        "nvidia.com/gpu": 2,
        "ephemeral-storage": "1k",
        "a/b": "0",
    }
    assert parse_resources(given) == Resources(1000, 1024, 110, {"nvidia.com/gpu": 2, "ephemeral-storage": 1000})
    with pytest.raises(ValueError, match=r"^nvidia.com/gpu: 'x' is not a Kubernetes quantity"):
        parse_resources({"nvidia.com/gpu": "x"})
    with pytest.raises(ValueError, match=r"^'a\\n': not the name of a resource"):
        parse_resources({"a\n": 1})
    with pytest.raises(ValueError, match=r"^memory: '1KiB' is not a Kubernetes quantity"):
        parse_resources({"cpu": "1", "memory": "1KiB"})


def cpu(*amounts: int) -> list[Resources]:
    return [Resources(amount) for amount in amounts]


def requests(
    containers: list[Resources],
    init: list[tuple[int, bool]] | None = None,
    overhead: int = 0,
    pod_level: dict[str, int] | None = None,
) -> int:
    steps = [(Resources(amount), sidecar) for amount, sidecar in init or []]
    return pod_requests(containers, steps, Resources(overhead), pod_level or {}).cpu


def test_containers_run_together_and_count_as_one_pod() -> None:
    assert pod_requests([Resources(100, 10), Resources(50, 20)], [], Resources(), {}) == Resources(150, 30, 1)


def test_init_containers_run_one_after_another_so_only_the_largest_counts() -> None:
    assert requests(cpu(100, 100), [(150, False), (180, False)]) == 200
    assert requests(cpu(100, 100), [(150, False), (300, False)]) == 300


def test_each_resource_is_counted_by_itself() -> None:
    counted = pod_requests([Resources(100, 500)], [(Resources(300, 50), False)], Resources(), {})
    assert counted == Resources(300, 500, 1)


def test_a_sidecar_runs_beside_the_containers() -> None:
    assert requests(cpu(100), [(50, True)]) == 150


def test_a_sidecar_runs_beside_the_init_containers_after_it_only() -> None:
    # 50 for the sidecar and 200 beside it; before it started, 200 ran alone.
    assert requests(cpu(100), [(50, True), (200, False)]) == 250
    assert requests(cpu(100), [(200, False), (50, True)]) == 200


def test_the_sidecars_started_one_after_another_add_up() -> None:
    # Running: 1 + 2 + 4; while the second one starts: 2 + 6.
    assert requests(cpu(1), [(2, True), (6, False), (4, True)]) == 8
    assert requests(cpu(1), [(2, True), (1, False), (4, True)]) == 7


def test_overhead_is_added_to_whatever_is_larger() -> None:
    assert requests(cpu(100), [(300, False)], overhead=25) == 325


def test_other_resources_are_counted_in_the_same_way() -> None:
    def disk(amount: int) -> Resources:
        return Resources(others={"ephemeral-storage": amount})

    counted = pod_requests([disk(1), Resources(5)], [(disk(2), True), (disk(3), False)], disk(10), {})
    assert counted == Resources(5, 0, 1, {"ephemeral-storage": 2 + 3 + 10})
    huge = pod_requests([Resources(others={"hugepages-2Mi": 4, "a/nic": 1})], [], Resources(), {"hugepages-2Mi": 8})
    assert huge.others == {"hugepages-2Mi": 8, "a/nic": 1}


def test_requests_at_pod_level_replace_those_of_the_containers() -> None:
    assert requests(cpu(100), [(300, False)], overhead=25, pod_level={"cpu": 150}) == 175
    assert requests(cpu(100), pod_level={"memory": 1}) == 100


@pytest.mark.parametrize(
    "key",
    ["a", "A.b_c-1", "rack", "x" * 63, "example.com/rack", f"{'a' * 253}/name", "openelb.kubesphere.io/rack"],
)
def test_label_keys_that_kubernetes_accepts(key: str) -> None:
    check_label_key(key)


@pytest.mark.parametrize(
    "key",
    [
        *["", "/", "/a", "a/", "a/b/c", "-a", "a-", ".a", "a b", "x" * 64, f"{'a' * 254}/name", "Upper.com/a"],
        *["a..b/c", "räck", "a\n", "a=b", "under_score/a"],
    ],
)
def test_label_keys_that_kubernetes_refuses(key: str) -> None:
    with pytest.raises(ValueError, match="is not a label key"):
        check_label_key(key)


@pytest.mark.parametrize("value", ["", "a", "Rack_1.2-b", "1", "x" * 63])
def test_label_values_that_kubernetes_accepts(value: str) -> None:
    check_label_value(value)


@pytest.mark.parametrize("value", ["-a", "a-", "_", "a b", "a/b", "x" * 64, "ü", "a\n", " "])
def test_label_values_that_kubernetes_refuses(value: str) -> None:
    with pytest.raises(ValueError, match="is not a label value"):
        check_label_value(value)


@pytest.mark.parametrize("name", ["a", "node-1", "10-0-0-1.ec2.internal", "x" * 253, "1"])
def test_names_that_a_node_can_have(name: str) -> None:
    assert is_dns_subdomain(name)


@pytest.mark.parametrize("name", ["", "Node", "a_b", "-a", "a-", "a..b", ".a", "x" * 254, "a b", "ä", "$(rm)", "a\n"])
def test_names_that_no_node_can_have(name: str) -> None:
    assert not is_dns_subdomain(name)
