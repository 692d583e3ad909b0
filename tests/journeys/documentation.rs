//! The documents agree with the code and the template, and everything speaks the one vocabulary.

use crate::support::template::template;
use edge::Signal;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_readme_has_at_most_8_kilobytes_and_the_glossary_at_most_60_terms() {
    assert!(read("README.md").len() <= 8 * 1024);
    let shared = read("shared/README.md");
    let glossary = shared.split("\n## Glossary\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let terms = glossary.lines().filter(|line| line.starts_with("| ")).count() - 1;
    assert!((1..=60).contains(&terms), "{terms} terms");
}

#[test]
fn every_signal_has_an_alarm_on_its_metric_and_every_metric_of_the_stack_is_a_signal() {
    let of_stack = "Namespace: !Ref AWS::StackName";
    let mut metrics = BTreeSet::new();
    for (id, text) in template().into_iter().filter(|(_, text)| text.contains(of_stack)) {
        assert!(text.contains("Type: AWS::CloudWatch::Alarm"), "{id} is no alarm");
        // Either a line of its own, or in the flow style of a metric expression.
        let after = text.split(of_stack).nth(1).unwrap();
        let name = after.split("MetricName: ").nth(1).unwrap();
        metrics.insert(name.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned());
    }
    let signals: BTreeSet<String> =
        Signal::ALL.iter().map(|signal| signal.metric().to_owned()).collect();
    assert_eq!(metrics, signals);
}

#[test]
fn every_alarm_and_every_dead_letter_queue_has_a_row_in_the_runbook() {
    let runbook = read("functions/admin/RUNBOOK.md");
    for (id, text) in template() {
        let is_explained = text.contains("Type: AWS::CloudWatch::Alarm")
            || text.contains("Type: AWS::CloudFormation::Stack")
            || (text.contains("Type: AWS::SQS::Queue") && id.ends_with("DeadLetters"));
        assert!(
            !is_explained || runbook.contains(&format!("\n| `{id}` | ")),
            "{id} has no row in the runbook"
        );
    }
    for alarm in ["**QueueAgeAlarm**", "**DeadLettersAlarm**"] {
        assert!(runbook.contains(alarm), "{alarm} of the pipelines");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for document in [
        "README.md",
        "functions/README.md",
        "functions/admin/INTEGRATION.md",
        "functions/admin/RUNBOOK.md",
        "shared/README.md",
        "shared/local/README.md",
        "shared/partners/src/channels/README.md",
    ] {
        let text = read(document);
        let folder = root().join(document).parent().map(Path::to_path_buf).unwrap();
        let anchors: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .map(|heading| heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
            .collect();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            match link.split_once('#') {
                _ if link.starts_with("http") => {}
                Some(("", anchor)) => assert!(anchors.contains(anchor), "{document}: #{anchor}"),
                Some((path, _)) => assert!(folder.join(path).exists(), "{document}: {path}"),
                None => assert!(folder.join(link).exists(), "{document}: {link}"),
            }
        }
    }
}

/// Words that the vocabulary has retired from code, with the word to use.
const RETIRED: [(&str, &str); 32] = [
    ("Unmet", "FailedCondition, or the name of the condition"),
    ("Misfit", "Inconsistency"),
    ("Outlook", "ErrorClass"),
    ("Teller", "ProjectionSource"),
    ("ToldOrder", "ChannelOrderUpdate"),
    ("ToldStatus", "ReportedStatus"),
    ("Edition", "SourceRevision"),
    ("Pieces", "ChannelOrderState"),
    ("LeftAlone", "CoolingDown"),
    ("OutOfOrder", "Unavailable"),
    ("TooOften", "RateLimited"),
    ("lay_aside", "dead_letter"),
    ("NotLaidAside", "DeadLetterError"),
    ("NotJson", "MalformedMessage"),
    ("Pacer", "SourceQueue"),
    ("Cashier", "CardPayments"),
    ("Desk", "Resources"),
    ("Courier", "Resources"),
    ("Errand", "Resources"),
    ("ROUNDS", "ATTEMPTS, or a policy"),
    ("removeAfter", "expiresAt"),
    ("put_back", "release"),
    ("heed", "back off"),
    ("in_vain", "without result"),
    ("wishes", "lines"),
    ("tally", "add"),
    ("Way", "MessageType"),
    ("Said", "Response"),
    ("looked_into", "checked"),
    ("leave_alone", "open_until_at_least"),
    ("asks_for_tokens", "requires_tokens"),
    ("told_once", "notification_result"),
];

/// Names of modules that said nothing, and what such modules are called.
const RETIRED_MODULES: [(&str, &str); 12] = [
    ("accounts", "session"),
    ("answers", "channel_response, or the function's own file"),
    ("books", "orders"),
    ("collected", "external_orders"),
    ("collecting", "external_order"),
    ("feeding", "event_source_mapping"),
    ("first_answer", "first_response"),
    ("front", "http_api"),
    ("keeping", "upsert"),
    ("moving", "transition"),
    ("pieces", "order_state"),
    ("steps", "run_step"),
];

#[test]
fn retired_words_do_not_return() {
    let mut folders = vec![root().join("functions"), root().join("shared"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("documentation.rs")
            {
                let module = path.file_stem().unwrap().to_str().unwrap();
                let retired = RETIRED_MODULES.iter().find(|(retired, _)| *retired == module);
                assert!(retired.is_none(), "{}: {retired:?}", path.display());
                let text = fs::read_to_string(&path).unwrap();
                let words: BTreeSet<&str> =
                    text.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
                for (retired, instead) in RETIRED {
                    assert!(
                        !words.contains(retired),
                        "{}: {retired}; say {instead}",
                        path.display()
                    );
                }
            }
        }
    }
}
