"""What is done about each attack on a session and the way to it, and which tests show it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GROUPS", "Attack"]

_FIXTURE = "tests/verifier/conformance/test_fixtures.py::test_our_verdict_is_the_expected_one"
_TWIN = "tests/evil/test_evil_drive.py::test_a_twin_is_caught"
_NODE = "tests/pipeline/node/test_attested_session.py"
_SESSION = "tests/verifier/drive/test_drive_session.py"
_APPRAISED = "tests/verifier/appraisal/test_appraise_session.py"
_HOSTS = "tests/verifier/appraisal/test_appraise_hosts.py"
_KEYS = "tests/verifier/appraisal/test_appraise_keys.py"
_VEK = "tests/verifier/appraisal/test_authenticate_snp_vek.py"
_VEK_FORMAT = "tests/verifier/evidence/test_vek_certificate.py"
_CLIENT = "tests/verifier/client"
_WIRE = "tests/verifier/wire"
_PROBES = "tests/verifier/drive/probes"
_PATH_PROBES = "tests/verifier/drive/test_drive_path_probes.py"
_SERVER = "tests/pipeline/node/test_server.py"
_TUNNELLED = "tests/pipeline/gateway/test_tls_in_tunnel.py"
_SEES = "tests/architecture/test_roles.py"
_GATEWAY = "tests/pipeline/gateway"
_RELAY = "tests/pipeline/relay/test_relay.py"
_ROLES = "tests/evil/test_evil_roles.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """An attack by its number and name, and what speaks against it.

    ``tests`` are node ids of pytest, ``checks`` are what a verdict says it by (none where nothing
    of it can be seen in one), ``unproven`` is what is left in spite of them.
    """

    number: int
    name: str
    tests: tuple[str, ...]
    checks: tuple[str, ...]
    unproven: str

    @property
    def id(self) -> str:
        """As in ``ATK-038``."""
        return f"ATK-{self.number:03d}"


_CHANNEL = (
    Attack(
        number=38,
        name="replayed-evidence",
        tests=(
            f"{_TWIN}[node_replays]",
            f"{_SESSION}::test_replayed_evidence_is_refused",
            f"{_FIXTURE}[evidence/441-snp-report-data-replayed]",
        ),
        checks=("snp.report_data", "session.binding"),
        unproven="Whoever judges a bundle later has only the client's word that its nonce was new.",
    ),
    Attack(
        number=39,
        name="attester-chosen-nonce",
        tests=(
            f"{_FIXTURE}[evidence/442-snp-report-data-attester-nonce]",
            f"{_APPRAISED}::test_a_binding_to_another_nonce",
        ),
        checks=("snp.report_data",),
        unproven="As for ATK-038.",
    ),
    Attack(
        number=40,
        name="intra-handshake-relay",
        tests=(
            f"{_TWIN}[node_relays]",
            f"{_SESSION}::test_a_relayed_session_is_refused",
            f"{_FIXTURE}[evidence/544-snp-report-data-relayed]",
        ),
        checks=("snp.report_data", "drive.path.binding"),
        unproven="A machine whose TLS stack is not the measured one could give its exporter away; "
        "what it runs is a matter of the measurement.",
    ),
    Attack(
        number=41,
        name="diversion",
        tests=(
            f"{_SESSION}::test_evidence_of_another_node_is_refused",
            f"{_HOSTS}::test_a_genuine_machine_that_nobody_enrolled",
        ),
        checks=("session.binding", "host.enrolled"),
        unproven="The client does not choose its machine: any one of the release will do, unless "
        "the policy names enrolled hosts.",
    ),
    Attack(
        number=42,
        name="attested-key-not-used",
        tests=(
            f"{_SESSION}::test_another_sealing_key_is_refused",
            f"{_SESSION}::test_only_the_guest_reads_what_is_sealed",
            f"{_APPRAISED}::test_a_binding_to_a_key_that_is_not_the_certificates",
        ),
        checks=("session.binding",),
        unproven="That the guest keeps the private halves: its code says so, and is measured.",
    ),
    Attack(
        number=43,
        name="unverified-paths",
        tests=(
            f"{_CLIENT}/test_client.py::test_each_connection_is_judged_and_has_a_token_of_its_own",
            f"{_CLIENT}/test_client.py::test_a_session_that_was_silent_is_replaced",
            f"{_SESSION}::test_evidence_attests_its_own_session_alone",
            f"{_SESSION}::test_two_sessions_with_one_node_have_other_bindings",
        ),
        checks=("session.binding", "drive.path.fail_closed"),
        unproven="Clients other than `verifier/client`, which judges every connection anew.",
    ),
    Attack(
        number=44,
        name="tls-downgrade",
        tests=(
            f"{_NODE}::test_tls_1_2_is_refused",
            f"{_NODE}::test_no_session_is_resumed",
            f"{_SESSION}::test_only_tls_1_3_is_spoken",
        ),
        checks=("drive.session", "drive.path.forward_secrecy"),
        unproven="Faults of OpenSSL.",
    ),
    Attack(
        number=45,
        name="self-signature-unchecked",
        tests=(
            f"{_FIXTURE}[evidence/541-session-binding-self-signature]",
            f"{_APPRAISED}::test_a_certificate_that_its_own_key_did_not_sign",
        ),
        checks=("session.binding",),
        unproven="Nothing in the certificate is used but its key.",
    ),
    Attack(
        number=46,
        name="long-lived-ratls",
        tests=(
            f"{_NODE}::test_a_certificate_says_nothing_and_its_key_is_new_with_each_start",
            f"{_NODE}::test_evidence_differs_with_each_session_and_nonce",
        ),
        checks=("session.binding",),
        unproven="A key lives as long as its boot. The dates of the certificate mean nothing; what "
        "is fresh is the evidence of each session, and there is no certificate without it.",
    ),
    Attack(
        number=47,
        name="x509-constraint-gaps",
        tests=(
            f"{_VEK}::test_offered_certificates_are_only_compared",
            f"{_VEK_FORMAT}::test_an_unknown_extension_that_matters_is_named",
        ),
        checks=("snp.vek.format", "snp.vek.signature"),
        unproven="There is no general path validation: CA certificates are pinned byte for byte, "
        "and the one below them has one exact form.",
    ),
    Attack(
        number=48,
        name="evidence-bomb",
        tests=(
            f"{_FIXTURE}[evidence/103-bundle-format-bomb-large-member]",
            f"{_FIXTURE}[evidence/205-snp-vek-format-bomb-length]",
            f"{_FIXTURE}[evidence/161-keys-format]",
            f"{_SESSION}::test_a_wrong_answer_is_refused",
        ),
        checks=("bundle.format", "snp.vek.format", "keys.format"),
        unproven="How long the libraries below take for inputs within the limits.",
    ),
    Attack(
        number=49,
        name="tee-role-confusion",
        tests=(
            f"{_FIXTURE}[evidence/543-session-role]",
            f"{_SESSION}::test_another_role_is_refused",
        ),
        checks=("session.role", "release.role"),
        unproven="One role is released here; roles of one release are told apart by the log alone.",
    ),
    Attack(
        number=50,
        name="router-terminated",
        tests=(
            f"{_TWIN}[node_relays]",
            f"{_TUNNELLED}::test_both_ends_are_in_one_session_and_nobody_between_reads_it",
        ),
        checks=("session.binding", "snp.report_data"),
        unproven="What a CVM hands on to others behind it: the reference one has no way out.",
    ),
    Attack(
        number=51,
        name="e2ee-downgrade",
        tests=(
            f"{_SESSION}::test_a_policy_that_binds_no_session_attests_none",
            f"{_SESSION}::test_only_the_guest_reads_what_is_sealed",
        ),
        checks=("session.binding",),
        unproven="There is one version and no negotiation, so nothing is said of future ones.",
    ),
    Attack(
        number=52,
        name="no-pq-kex",
        tests=(
            f"{_TWIN}[node_classical]",
            f"{_NODE}::test_the_hybrid_group_is_taken_where_it_is_offered",
        ),
        checks=("drive.path.binding",),
        unproven="The encapsulation to the gateway is X25519 alone (RFC 9458 has nothing else): "
        "recorded now, it can be opened by a quantum computer; TLS and the seal inside it cannot.",
    ),
)

_PATH = (
    Attack(
        number=77,
        name="per-user-ohttp-key",
        tests=(
            f"{_TWIN}[keycdn_second_key]",
            f"{_TWIN}[gateway_swaps_key]",
            "tests/pipeline/keycdn/test_keycdn.py::test_everybody_gets_the_same_bytes_and_fields",
            f"{_KEYS}::test_keys_that_are_not_in_the_log",
        ),
        checks=("drive.path.key_consistency", "drive.session", "keys.signature", "log.inclusion"),
        unproven="A client that is chosen by something in which the drive's do not differ; logged "
        "keys for one user alone, which only who watches the log can count.",
    ),
    Attack(
        number=78,
        name="per-user-issuer-key",
        tests=(
            f"{_TWIN}[issuer_marks]",
            f"{_CLIENT}/test_tokens.py::test_an_issuer_that_marks_with_a_key_of_its_own",
            f"{_FIXTURE}[evidence/164-keys-validity]",
        ),
        checks=("drive.path.token_linkage", "keys.signature", "keys.validity"),
        unproven="How long two keys overlap is for the operator's publishers to keep short.",
    ),
    Attack(
        number=79,
        name="poisoned-token",
        tests=(
            f"{_TWIN}[issuer_marks]",
            f"{_CLIENT}/test_tokens.py::test_a_poisoned_signature_is_no_token",
            f"{_WIRE}/test_blind_rsa.py::test_a_signer_that_signs_anything_else_is_found_out",
        ),
        checks=("drive.path.token_linkage", "drive.session"),
        unproven="An issuer that gives some accounts no token at all is seen by them alone.",
    ),
    Attack(
        number=80,
        name="token-linkage",
        tests=(
            f"{_TWIN}[gateway_no_spend]",
            f"{_TWIN}[issuer_logs]",
            f"{_ROLES}::test_an_issuer_writes_down_what_it_signs_and_learns_nothing",
            f"{_GATEWAY}/test_gateway.py::test_of_many_at_a_time_one_spends_the_token",
            f"{_GATEWAY}/test_gateway.py::test_spent_tokens_survive_a_kill",
            f"{_CLIENT}/test_tokens.py::test_the_order_of_spending_is_not_that_of_asking",
        ),
        checks=("drive.path.token_replay", "drive.path.token_linkage"),
        unproven="Times: a token that is spent at once lies near its issuance. What issuer_logs "
        "keeps can be laid beside the times of tunnels; else it fits every token equally well.",
    ),
    Attack(
        number=81,
        name="relay-identity-leak",
        tests=(
            f"{_TWIN}[relay_header]",
            f"{_RELAY}::test_two_very_different_clients_are_the_same_to_the_gateway",
            f"{_RELAY}::test_requests_of_one_client_share_no_connection_to_the_gateway",
        ),
        checks=("drive.path.clients_alike",),
        unproven="A relay and a gateway of one operator, or ones that talk beside the path.",
    ),
    Attack(
        number=82,
        name="hop-sees-plaintext",
        tests=(
            f"{_SEES}::test_a_role_reaches_only_the_formats_that_it_may_see",
            f"{_TUNNELLED}::test_both_ends_are_in_one_session_and_nobody_between_reads_it",
            f"{_PROBES}/test_probes_on_a_path.py::test_a_word_on_a_hop_or_in_a_file_is_found",
            f"{_PROBES}/test_probes_on_a_path.py::test_a_word_in_the_memory_of_a_role_is_found",
        ),
        checks=("drive.path.canary", "drive.path.memory"),
        unproven="Spellings of a canary that are not searched for.",
    ),
    Attack(
        number=83,
        name="length-channel",
        tests=(
            f"{_TWIN}[node_tells_length]",
            f"{_TWIN}[node_pads_not]",
            f"{_WIRE}/test_sealed.py::test_a_length_between_buckets_is_refused",
            f"{_WIRE}/test_tunnel.py::test_a_length_says_only_which_bucket",
        ),
        checks=("drive.path.length_buckets", "drive.path.answer"),
        unproven="Which bucket a message falls into, how many messages there are, and when.",
    ),
    Attack(
        number=84,
        name="steering",
        tests=(
            f"{_TWIN}[gateway_steers]",
            f"{_TWIN}[relay_header+gateway_steers]",
            f"{_GATEWAY}/test_tunnels.py::test_every_cvm_is_chosen_equally_often",
        ),
        checks=("drive.path.steering",),
        unproven="A client that is steered now and then, or by something in which the drive's do "
        "not differ.",
    ),
    Attack(
        number=85,
        name="host-mismatch",
        tests=(
            f"{_GATEWAY}/test_gateway.py::test_requests_for_another_authority_are_refused",
            f"{_CLIENT}/test_web.py::test_a_url_that_is_refused",
        ),
        checks=(),
        unproven="Names mean nothing to a verdict: whom a client talks to is said by the evidence.",
    ),
    Attack(
        number=86,
        name="canary-egress",
        tests=(
            f"{_TWIN}[relay_logs]",
            f"{_TWIN}[gateway_logs]",
            f"{_TWIN}[issuer_logs]",
            f"{_TWIN}[node_logs]",
            f"{_RELAY}::test_counts_are_all_that_is_written_down",
            f"{_GATEWAY}/test_gateway.py::test_counts_and_nonces_are_all_that_is_written_down",
            "tests/pipeline/issuer/test_issuing.py::test_nothing_that_came_is_written_down",
            f"{_SERVER}::test_nothing_of_a_message_is_written_anywhere",
        ),
        checks=("drive.path.canary", "drive.path.memory"),
        unproven="What a role writes elsewhere than in its own folder, or in a spelling that is "
        "not searched for.",
    ),
    Attack(
        number=87,
        name="fail-open-gate",
        tests=(
            f"{_CLIENT}/test_client.py::test_off_is_zero_bytes",
            f"{_CLIENT}/test_client.py::test_switched_off_between_two_attempts",
            f"{_PATH_PROBES}::test_a_feature_that_is_off_sends_nothing",
            f"{_PATH_PROBES}::test_a_client_refuses_corrupted_proofs_and_has_said_nothing",
            f"{_TWIN}[node_unverified]",
        ),
        checks=("drive.path.feature_off", "drive.path.fail_closed"),
        unproven="Other programs on the user's device.",
    ),
    Attack(
        number=88,
        name="state-retention",
        tests=(
            f"{_TWIN}[node_keeps]",
            f"{_TWIN}[node_keeps_on_disk]",
            f"{_SERVER}::test_what_a_chat_was_told_is_in_no_memory_after_it",
            f"{_SERVER}::test_a_chat_lives_as_long_as_its_connection",
        ),
        checks=("drive.path.stateless", "drive.path.restart"),
        unproven="That a CVM which keeps something also shows it: its code says what it keeps, and "
        "is measured.",
    ),
    Attack(
        number=89,
        name="forward-secrecy",
        tests=(
            f"{_PROBES}/test_forward_secrecy.py::test_real_connections_that_carried_words_are_closed",
            f"{_PROBES}/test_forward_secrecy.py::test_a_secret_of_an_earlier_session_is_caught",
            f"{_NODE}::test_no_session_is_resumed",
        ),
        checks=("drive.path.forward_secrecy",),
        unproven="Keys that are taken out of the memory of a running CVM, and of a client.",
    ),
)

GROUPS = {
    "Freshness and channel": _CHANNEL,
    "Anonymity path": _PATH,
}
"""The groups of the catalogue that are about a session and the way to it."""
