//! The table of attacks on logs, pages, redirects and streams, D1 to D10, G5 and G6: what each is, and which tests show that it fails.
//! Fails when one of those tests is gone, or one that is named for a row is not listed; prints the table.
//!
//! As with `table.rs`, the sources are read, not the results.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A row: its id, the attack, and its tests as `file` and a part of the test's name.
struct Row {
    id: &'static str,
    attack: &'static str,
    tests: &'static [(&'static str, &'static str)],
}

const ATTACKS: &str = "tests/tests/attacks.rs";
const PROPERTIES: &str = "frontend/ts/properties.test.ts";

const ROWS: &[Row] = &[
    Row {
        id: "d1",
        attack: "markup and script in logs, names and error text",
        tests: &[
            (ATTACKS, "d1_d2_a_hostile_log_is_text_in_a_browser"),
            ("services/web/tests/web/pages.rs", "text_of_a_link_or_banner_stays_text"),
            ("services/web/tests/web/pages.rs", "every_page_runs_its_own_script_only"),
            ("frontend/ts/ansi.test.ts", "hold markup as text"),
        ],
    },
    Row {
        id: "d2",
        attack: "terminal codes, overwritten and endless lines",
        tests: &[
            (ATTACKS, "d1_d2_a_hostile_log_is_text_in_a_browser"),
            (PROPERTIES, "d2 are text of known looks and nothing a terminal would do"),
            (PROPERTIES, "d2 are the same wherever the text was cut"),
            (PROPERTIES, "d2 hide no line after the one they are in"),
            ("frontend/ts/ansi.test.ts", "cuts an endless line and goes on with the next"),
            ("services/images/src/lines.rs", "a_long_line_comes_in_pieces_that_cut_no_character"),
            ("services/bindery/src/commands/output.rs", "a_failure_ends_with_the_last_lines_of_its_step_as_text"),
            ("tests/fuzz/fuzz_targets/log_lines.rs", "fuzz_target!"),
        ],
    },
    Row {
        id: "d3",
        attack: "log lines that look like events",
        tests: &[
            (ATTACKS, "d3_what_a_build_prints_is_never_an_event"),
            ("services/web/src/wire.rs", "a_line_that_looks_like_an_event_stays_inside_its_message"),
            ("services/web/tests/web/stream.rs", "a_line_that_looks_like_an_event_stays_a_line"),
            (PROPERTIES, "d3 is of the kinds that the page knows, or none"),
            (PROPERTIES, "d3 ends the stream only by its own phase, and nothing follows the end"),
            ("tests/fuzz/fuzz_targets/event_stream.rs", "fuzz_target!"),
        ],
    },
    Row {
        id: "d4",
        attack: "a link whose path leads out of the session, token and all",
        tests: &[
            ("frontend/ts/launch-path.test.ts", "as urlpath, labpath and filepath"),
            ("frontend/ts/launch-path.test.ts", "opens the session's start page instead, and says so"),
            (PROPERTIES, "d4 leads nowhere but into the session"),
            (PROPERTIES, "d4 leads nowhere else however the query is written"),
            ("services/web/tests/web/pages.rs", "old_links_and_forms_never_lead_elsewhere"),
            ("services/proxy/tests/proxy/plain.rs", "redirects_are_passed_on_not_followed"),
        ],
    },
    Row {
        id: "d5",
        attack: "pages of other sites that start builds and launches",
        tests: &[
            ("services/web/src/gate.rs", "another_site_may_start_something_only_as_a_stream_it_may_read"),
            ("services/web/tests/web/gate.rs", "a_page_of_another_site_starts_nothing_out_of_sight"),
            (
                "services/web/tests/web/gate.rs",
                "where_a_token_is_required_only_our_pages_and_the_operator_start_anything",
            ),
            ("services/web/tests/web/pages.rs", "other_methods_are_refused"),
        ],
    },
    Row {
        id: "d6",
        attack: "pages of other origins that use a visitor's cookies, WebSockets above all",
        tests: &[
            (ATTACKS, "d6_d7_a_page_of_another_origin_gets_no_socket_and_no_frame_of_a_session"),
            ("services/proxy/src/headers.rs", "d6_a_page_of_another_origin_does_not_use_the_visitors_cookies"),
            ("services/web/src/headers.rs", "origins_are_matched_whole"),
        ],
    },
    Row {
        id: "d7",
        attack: "pages and sessions in frames of others",
        tests: &[
            (ATTACKS, "d6_d7_a_page_of_another_origin_gets_no_socket_and_no_frame_of_a_session"),
            ("services/web/tests/web/pages.rs", "every_page_runs_its_own_script_only"),
        ],
    },
    Row {
        id: "d8",
        attack: "streams and connections without number, slow readers, slow writers",
        tests: &[
            (ATTACKS, "d8_connections_that_say_nothing_are_closed_and_hold_up_nobody"),
            ("services/proxy/tests/proxy/limits.rs", "a_head_that_trickles_in_is_not_waited_for"),
            ("services/proxy/tests/proxy/limits.rs", "silence_is_not_waited_for"),
            ("services/proxy/tests/proxy/limits.rs", "an_unused_connection_is_closed"),
            ("services/proxy/tests/proxy/limits.rs", "one_address_cannot_take_every_connection"),
            ("services/proxy/tests/proxy/bodies.rs", "a_large_download_waits_for_its_reader"),
            ("services/web/tests/web/crowd.rs", "a_stream_too_many_is_refused_and_the_others_go_on"),
            ("services/web/tests/web/crowd.rs", "one_who_does_not_read_delays_nobody_and_loses_nothing"),
        ],
    },
    Row {
        id: "d9",
        attack: "requests that two parsers read differently, and heads without end",
        tests: &[
            (ATTACKS, "d9_ambiguous_requests_hide_no_second_one_from_the_web_role"),
            ("services/proxy/tests/proxy/hygiene.rs", "ambiguous_requests_are_refused_and_reach_no_session"),
            ("services/proxy/tests/proxy/hygiene.rs", "an_ambiguous_body_is_never_followed_by_another_request"),
            ("services/proxy/src/strict.rs", "ambiguous_requests_are_refused"),
            ("services/proxy/src/strict.rs", "where_the_bytes_are_cut_makes_no_difference"),
            ("services/proxy/src/strict.rs", "any_bytes_can_be_read"),
            ("services/proxy/src/headers.rs", "a_strangers_claims_about_the_hop_before_are_dropped"),
            ("services/proxy/tests/proxy/limits.rs", "a_head_that_is_too_large_is_refused"),
        ],
    },
    Row {
        id: "d10",
        attack: "lines and endless fields put into our own log",
        tests: &[(ATTACKS, "d10_nothing_a_visitor_sends_writes_a_line_of_the_log")],
    },
    Row {
        id: "g5",
        attack: "everybody at once",
        tests: &[
            ("tests/tests/stampede.rs", "fifty_requests_for_one_unbuilt_commit_are_one_build_with_fifty_complete_logs"),
            ("services/web/tests/web/crowd.rs", "two_hundred_watchers_of_one_build_each_get_every_line"),
            ("services/web/tests/web/gate.rs", "builds_beyond_the_limit_are_refused_with_the_time_that_is_left"),
            ("services/web/tests/web/gate.rs", "joining_a_build_costs_nothing"),
        ],
    },
    Row {
        id: "g6",
        attack: "an address that is claimed, to dodge limits and bans",
        tests: &[
            ("services/web/src/forwarded.rs", "g6_only_a_trusted_proxy_may_say_who_the_client_is"),
            ("services/web/src/forwarded.rs", "g6_nothing_a_stranger_writes_changes_who_they_are"),
            ("services/web/tests/web/gate.rs", "a_spoofed_address_buys_no_allowance"),
            ("services/proxy/src/headers.rs", "a_strangers_claims_about_the_hop_before_are_dropped"),
            ("tests/fuzz/fuzz_targets/forwarded_for.rs", "fuzz_target!"),
        ],
    },
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether `text` has a test of that name: a function of Rust's, or what a test of TypeScript's says it is.
fn has(text: &str, name: &str) -> bool {
    name == "fuzz_target!" && text.contains("fuzz_target!(")
        || text.contains(&format!("fn {name}("))
        || text.lines().any(|line| {
            let quoted = line.contains(&format!("\"{name}")) || line.contains(&format!("{name}\""));
            quoted && !line.trim_start().starts_with("//")
        })
}

/// The rows a test's name begins with: `d1_d2_and_more`, `d2 and more`.
fn rows_of(name: &str) -> Vec<String> {
    let is_row = |part: &&str| {
        let number = part.strip_prefix(['d', 'g']).unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.split(['_', ' ']).take_while(is_row).map(str::to_owned).collect()
}

/// Tests that are named for a row, with their files.
fn named() -> BTreeSet<(String, String)> {
    let places = ["services/*.rs", "tests/tests/*.rs", "frontend/ts/*.test.ts"];
    let listed = Command::new("git").args(["ls-files", "--"]).args(places).current_dir(root()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut all = BTreeSet::new();
    for path in listed.lines() {
        for line in read(path).lines().map(str::trim_start) {
            let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            let name = function.map(|rest| rest.split('(').next().unwrap());
            let name = name.or_else(|| line.strip_prefix('"')?.split('"').next().filter(|_| path.ends_with(".ts")));
            let Some(name) = name.filter(|name| name.len() > 6) else { continue };
            if ROWS.iter().any(|row| rows_of(name).iter().any(|id| id == row.id)) {
                all.insert((path.to_owned(), name.to_owned()));
            }
        }
    }
    all
}

#[test]
fn every_attack_has_tests_and_every_test_named_for_one_is_listed() {
    let mut table = String::from("\nAttacks on logs, pages, redirects and streams, and the tests of each\n\n");
    let mut wrong = Vec::new();
    for Row { id, attack, tests } in ROWS {
        writeln!(table, "{:<4} {attack}", id.to_uppercase()).unwrap();
        for (path, name) in *tests {
            writeln!(table, "         {path}: {name}").unwrap();
            if !has(&read(path), name) {
                wrong.push(format!("{id}: {path} has no {name}"));
            }
        }
    }
    let named = named();
    for (path, name) in &named {
        for id in rows_of(name) {
            let row = ROWS.iter().find(|row| row.id == id);
            if !row.is_some_and(|row| row.tests.contains(&(path.as_str(), name.as_str()))) {
                wrong.push(format!("{path}: {name} is not listed under {id}"));
            }
        }
    }
    assert!(named.len() > 10, "tests are not found: {named:?}");
    // Not print!, which the harness keeps to itself where a test passes.
    std::io::stdout().write_all(table.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_test_that_is_gone_or_only_spoken_of_is_missed() {
    assert!(has("    fn d1_x() {", "d1_x") && has("  it(\"d2 y z\", () =>", "d2 y z"));
    assert!(!has("    fn d1_xy() {", "d1_x") && !has("// \"d2 y z\"", "d2 y z") && !has("", "fuzz_target!"));
    assert_eq!(rows_of("d1_d2_a_log"), ["d1", "d2"]);
    assert_eq!(rows_of("d10 x"), ["d10"]);
    assert!(rows_of("data_d1").is_empty() && rows_of("d_x").is_empty());
}
