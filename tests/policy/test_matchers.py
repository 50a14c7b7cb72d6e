"""Matchers and inhibitions: what they match, by brute force, and which mistakes are told."""

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.policies import load
from kedge.policy import LABELS, Inhibition, Inhibitor, Matchers, PolicyError, labels_of, parse
from kedge.settings import StreamSettings
from webhook_alerts import alert

HEAD = 'model = "flights"\n[[rules]]\nname = "r"\nstatistic = "psi"\nabove = 0.25\n'

globs = st.lists(st.sampled_from(["*", "a", "b", "a*", "?", "1", ""]), min_size=1, max_size=2)
labels = st.fixed_dictionaries(
    {name: st.sampled_from(["a", "ab", "b", "1", ""]) for name in LABELS}
)
matchers = st.dictionaries(
    st.sampled_from(LABELS), globs.map(lambda each: [glob or "*" for glob in each]), min_size=1
)


@given(matchers, labels)
def test_every_matcher_has_to_fit_by_one_of_its_globs(given_globs, given_labels):
    expected = True
    for name, several in given_globs.items():
        expected &= max(fnmatchcase(given_labels[name], glob) for glob in several)
    made = Matchers(**given_globs)
    assert made.match(given_labels) == expected
    assert Matchers(**made.given) == made


@given(matchers, matchers, st.lists(labels, max_size=4), labels, st.sets(st.sampled_from(LABELS)))
def test_alerts_mute_others_and_never_themselves(source, target, firing, other, equal):
    left, right = Matchers(**source), Matchers(**target)

    def mutes(one):
        both = all(each.match(labels) for each in (left, right) for labels in (one, other))
        alike = {name: one[name] for name in equal} == {name: other[name] for name in equal}
        return left.match(one) and right.match(other) and not both and alike

    inhibition = Inhibition(source=source, target=target, equal=sorted(equal))
    assert Inhibitor([inhibition], firing).mutes(other) == any(map(mutes, firing))
    assert not Inhibitor([inhibition], [other]).mutes(other)


def test_what_an_alert_does_not_have_is_empty():
    found = labels_of(alert(column=None, release=12))
    assert (found["column"], found["release"]) == ("", "12")
    assert Matchers(release=12).match(found)


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        (
            'source = {severty = "info"}\ntarget = {rule = "r"}',
            "severty",
            "did you mean 'severity'",
        ),
        (
            'source = {}\ntarget = {rule = "r"}',
            "source",
            "needs a matcher at least, on one of model",
        ),
        ('source = {rule = "r"}', "target", "alerts that are muted"),
        ('source = {rule = "r"}\ntarget = {rule = []}', "target.rule", "at least 1 item"),
        (
            'source = {rule = "r"}\ntarget = {rule = "s"}\nequal = ["relase"]',
            "equal[0]",
            "did you mean 'release'",
        ),
    ],
)
def test_mistakes_in_an_inhibition_are_named(text, key, says):
    with pytest.raises(PolicyError) as caught:
        parse(f"{HEAD}[[inhibit]]\n{text}\n", "policy.toml")
    (problem,) = caught.value.problems
    assert problem.key.startswith("inhibit[0].")
    assert problem.key.endswith(key)
    assert says in f"{problem.wrong} {problem.right}"


@pytest.mark.parametrize("key", ["for_seconds", "keep_firing_for_seconds"])
def test_a_rule_looks_back_over_a_thousand_windows_at_most(tmp_path, key):
    file = tmp_path / "policy.toml"
    file.write_text(f"{HEAD}{key} = 59940\n")
    load(file, StreamSettings())
    file.write_text(f"{HEAD}{key} = 59941\n")
    with pytest.raises(PolicyError, match=f"{key}: 59941 seconds are more than 1000 of its"):
        load(file, StreamSettings())
