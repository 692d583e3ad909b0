//! The template files, as JSON.

use super::{TemplateError, unfit};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;
use std::sync::LazyLock;

type Document = LazyLock<Result<Value, String>>;

/// The root template that this platform was built with, parsed once for each process.
static ROOT: Document = LazyLock::new(|| parse(include_str!("../../../../template.yaml")));

/// The nested templates by their path in `TemplateURL`.
static NESTED: [(&str, Document); 1] = [(
    "shared/templates/pipeline.yaml",
    LazyLock::new(|| parse(include_str!("../../../templates/pipeline.yaml"))),
)];

/// The root template.
pub(super) fn root() -> Result<&'static Value, TemplateError> {
    ROOT.as_ref().map_err(unfit)
}

/// The nested template at this path.
pub(super) fn nested(path: &str) -> Result<&'static Value, TemplateError> {
    let found = NESTED.iter().find(|(known, _)| *known == path);
    let (_, document) =
        found.ok_or_else(|| unfit(format!("there is no nested template {path}")))?;
    document.as_ref().map_err(unfit)
}

fn parse(yaml: &str) -> Result<Value, String> {
    serde_norway::from_str(yaml).map(plain).map_err(|error| error.to_string())
}

/// YAML with CloudFormation's short tags as JSON with the long forms: `!Ref X` is `{"Ref": "X"}`.
fn plain(yaml: Yaml) -> Value {
    match yaml {
        Yaml::Tagged(tagged) => {
            let name = tagged.tag.to_string();
            let name = name.trim_start_matches('!');
            let value = plain(tagged.value);
            match (name, &value) {
                ("Ref" | "Condition", _) => json!({ name: value }),
                ("GetAtt", Value::String(path)) => {
                    json!({ "Fn::GetAtt": path.splitn(2, '.').collect::<Vec<_>>() })
                }
                _ => json!({ format!("Fn::{name}"): value }),
            }
        }
        Yaml::Mapping(mapping) => {
            let member =
                |(key, value): (Yaml, Yaml)| Some((key.as_str()?.to_owned(), plain(value)));
            mapping.into_iter().filter_map(member).collect::<Map<_, _>>().into()
        }
        Yaml::Sequence(items) => items.into_iter().map(plain).collect::<Vec<_>>().into(),
        scalar @ (Yaml::Null | Yaml::Bool(_) | Yaml::Number(_) | Yaml::String(_)) => {
            serde_json::to_value(scalar).unwrap_or_default()
        }
    }
}
