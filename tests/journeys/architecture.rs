//! The architecture's rules that a machine can check.

use crate::support::template::template;
use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// The crates of the shared folder, and which of ours each may use.
const SHARED: [(&str, &[&str]); 7] = [
    ("domain", &[]),
    ("events", &["domain"]),
    ("store", &["domain", "events"]),
    ("edge", &["domain"]),
    ("partners", &["domain", "events"]),
    ("ordering", &["domain", "events", "store", "partners"]),
    ("system", &["local", "domain", "edge", "events", "partners", "admin"]),
];

/// What a crate of functions may use: never another one.
const FOR_FUNCTIONS: [&str; 6] = ["domain", "events", "store", "edge", "partners", "ordering"];

/// Crates of others that only some of ours may use, in what is built of them.
const RESERVED: [(&str, &[&str]); 17] = [
    ("aws-sdk-dynamodb", &["store"]),
    ("aws-sdk-kms", &["store"]),
    ("ring", &["local"]),
    ("aws-sdk-eventbridge", &["orders"]),
    ("aws-sdk-sqs", &["edge", "orders"]),
    ("lambda_http", &["edge"]),
    ("lambda_runtime", &["edge"]),
    ("aws_lambda_events", &["edge"]),
    ("reqwest", &["partners"]),
    ("rustls", &["partners"]),
    ("hyper", &["local"]),
    ("axum", &["local"]),
    ("dynoxide-rs", &["local"]),
    ("quamina", &["local"]),
    ("rusqlite", &["local"]),
    ("jsonwebtoken", &["local"]),
    ("serde_norway", &["local"]),
];

fn packages() -> Vec<Package> {
    MetadataCommand::new()
        .no_deps()
        .other_options(vec!["--offline".into()])
        .exec()
        .unwrap()
        .packages
}

/// What a package uses in what is built of it.
fn uses(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
}

#[test]
fn dependencies_point_one_way_and_no_function_crate_uses_another() {
    let packages = packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let contexts: BTreeSet<&str> = local::binaries().iter().map(|(context, _)| *context).collect();
    for package in &packages {
        let name = package.name.as_str();
        let may_use = |used: &str| match SHARED.iter().find(|(shared, _)| *shared == name) {
            Some((_, may_use)) => may_use.contains(&used),
            // The API's document is made of the other contexts' routes.
            None if name == "admin" => FOR_FUNCTIONS.contains(&used) || contexts.contains(used),
            None if name == "local" => {
                ["domain", "edge", "partners"].contains(&used) || contexts.contains(used)
            }
            None => {
                assert!(
                    contexts.contains(name),
                    "{name} is a new crate: it belongs into a table here"
                );
                FOR_FUNCTIONS.contains(&used)
            }
        };
        for used in uses(package) {
            assert!(!ours.contains(used) || may_use(used), "{name} must not use {used}");
            if let Some((_, users)) = RESERVED.iter().find(|(reserved, _)| *reserved == used) {
                assert!(users.contains(&name), "{name} must not use {used}");
            }
        }
    }
}

#[test]
fn the_domain_knows_neither_time_nor_chance_nor_any_machine() {
    let packages = packages();
    let domain = packages.iter().find(|package| package.name == "domain").unwrap();
    let used: BTreeSet<&str> = uses(domain).collect();
    assert_eq!(used, BTreeSet::from(["jiff", "schemars", "serde", "sha2", "thiserror", "ulid"]));
    for file in sources("shared/domain/src") {
        let text = fs::read_to_string(&file).unwrap();
        for banned in ["async ", ".await", "::now()", "std::env", "std::fs", "std::net"] {
            assert!(!text.contains(banned), "{}: {banned}", file.display());
        }
    }
}

/// Our Rust files in a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut folders, mut files) = (vec![root.join(folder)], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn every_file_can_be_read_in_one_sitting_and_is_finished() {
    for file in ["shared", "functions", "tests"].into_iter().flat_map(sources) {
        let (name, text) = (file.display(), fs::read_to_string(&file).unwrap());
        assert!(
            text.lines().count() <= 500,
            "{name} is too long: would two names describe it better than one?"
        );
        for mark in
            ["TO", "FIX"].map(|start| format!("{start}{}", if start == "TO" { "DO" } else { "ME" }))
        {
            assert!(!text.contains(&mark), "{name} is not finished: {mark}");
        }
        assert!(!text.contains(&format!("#[{}", "ignore")), "{name} has a test that is not run");
        assert!(
            !text.contains(&format!("#[{}(", "allow")),
            "{name}: #[expect(…, reason)] says why"
        );
    }
}

#[test]
fn every_crate_says_what_it_must_never_do() {
    for file in ["shared", "functions"]
        .into_iter()
        .flat_map(sources)
        .filter(|file| file.ends_with("src/lib.rs"))
    {
        let text = fs::read_to_string(&file).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with("//!")).collect();
        assert!(head.contains("never") || head.contains("may know"), "{}", file.display());
    }
}

/// `place-order` is `PlaceOrder` in the template.
fn resource_id(handler: &str) -> String {
    handler.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

#[test]
fn every_asynchronous_function_has_an_alarm_and_notifications_have_a_bulkhead() {
    let resources = template();
    let specs = local::template::Template::own(&BTreeMap::new(), "http://localhost").unwrap();
    for function in &specs.functions {
        let id = resource_id(&function.handler);
        // A pipeline has alarms for the age of messages and for dead letters.
        let alarms = match &function.source {
            Some(local::template::Source::Queue { queue, .. }) => {
                vec![queue.replace("Queue", "Pipeline")]
            }
            Some(local::template::Source::Stream { .. }) => {
                vec![format!("{id}LagAlarm"), format!("{id}DeadLettersAlarm")]
            }
            None if function.schedule.is_some() => vec![format!("{id}ErrorsAlarm")],
            None => Vec::new(),
        };
        for alarm in alarms {
            assert!(resources.contains_key(&alarm), "{} needs {alarm}", function.handler);
        }
        let own = &resources[&id];
        let is_limited = own.contains("ReservedConcurrentExecutions: 5")
            && own.contains("MaximumConcurrency: 5");
        assert_eq!(is_limited, function.handler == "notify-customer", "{}", function.handler);
    }
}

#[test]
fn a_function_costs_few_lines_of_the_template() {
    let resources = template();
    let specs = local::template::Template::own(&BTreeMap::new(), "http://localhost").unwrap();
    for function in &specs.functions {
        let lines = |id: &str| 1 + resources[id].lines().count();
        let id = resource_id(&function.handler);
        let (cost, most) = match &function.source {
            None => (lines(&id), 25),
            // The settings of a partner are a line or two for each partner that it can call.
            Some(local::template::Source::Queue { queue, .. }) => {
                let settings = resources[&id]
                    .lines()
                    .skip_while(|line| !line.starts_with("      Environment:"))
                    .take_while(|line| !line.starts_with("      Policies:"));
                let pipeline = lines(&queue.replace("Queue", "Pipeline"));
                (lines(&id) + pipeline - settings.count(), 30)
            }
            Some(local::template::Source::Stream { .. }) => continue,
        };
        assert!(cost <= most, "{} takes {cost} lines", function.handler);
    }
}

/// The resources that SAM makes of the root template, by its documented rules: a role for each
/// function without one, a permission for each HTTP event, a mapping for each queue or stream, a
/// schedule for each schedule, and a stage for the API.
#[test]
fn the_root_stack_stays_below_350_of_500_resources() {
    let resources = template();
    let of_function = |text: &String| {
        let count = |what: &str| text.matches(what).count();
        let mappings =
            count("Type: SQS") + count("Type: DynamoDB") - count("OnFailure: { Type: SQS");
        1 + usize::from(!text.contains("\n      Role:"))
            + count("Type: HttpApi")
            + count("Type: ScheduleV2")
            + mappings
    };
    let count: usize = resources
        .values()
        .map(|text| {
            if text.contains("Type: AWS::Serverless::Function") {
                of_function(text)
            } else if text.contains("Type: AWS::Serverless::HttpApi") {
                2
            } else {
                1
            }
        })
        .sum();
    assert!(count < 350, "{count} resources");
}

#[test]
fn no_role_in_the_template_may_do_everything_or_reach_everything() {
    let template = local::template::Template::own(&BTreeMap::new(), "http://localhost").unwrap();
    for function in &template.functions {
        for statement in &function.statements {
            let is_tracing = statement.actions.iter().all(|action| action.starts_with("xray:Put"));
            assert!(
                statement.actions.iter().all(|action| !action.contains('*')),
                "{}: {statement:?}",
                function.handler
            );
            assert!(
                is_tracing || !statement.resources.contains(&"*".to_owned()),
                "{}: {statement:?}",
                function.handler
            );
        }
    }
}
