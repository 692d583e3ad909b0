//! CloudFormation's functions: what `!Ref`, `!GetAtt` and `!Sub` stand for here.

use super::{ACCOUNT, REGION, TemplateError, queue_url, unfit};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Puts values in place of functions, with these parameters.
pub(super) struct Resolver<'a> {
    pub(super) document: &'a Value,
    pub(super) parameters: &'a BTreeMap<String, String>,
    pub(super) declared: &'a Map<String, Value>,
    pub(super) endpoint: &'a str,
}

impl<'a> Resolver<'a> {
    pub(super) fn resources(&self) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + use<'a>, TemplateError> {
        Ok(self.document["Resources"].as_object().ok_or_else(|| unfit("the template has no Resources"))?.iter())
    }

    /// Puts values in place of CloudFormation's functions.
    pub(super) fn resolve(&self, value: &Value) -> Result<Value, TemplateError> {
        Ok(match value {
            Value::Object(object) if object.len() == 1 => match object.iter().next() {
                Some((function, argument)) if function == "Ref" => {
                    self.reference(argument.as_str().unwrap_or_default())?.into()
                }
                Some((function, argument)) if function == "Fn::GetAtt" => {
                    let part = |place: usize| argument[place].as_str().unwrap_or_default();
                    self.attribute(part(0), part(1))?.into()
                }
                Some((function, argument)) if function == "Fn::Sub" => {
                    self.substitute(argument.as_str().unwrap_or_default())?.into()
                }
                Some((function, _)) if function.starts_with("Fn::") => {
                    return Err(unfit(format!("the local platform does not know {function}")));
                }
                _ => self.members(object)?,
            },
            Value::Object(object) => self.members(object)?,
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).collect::<Result<Vec<_>, _>>()?.into(),
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar.clone(),
        })
    }

    fn members(&self, object: &Map<String, Value>) -> Result<Value, TemplateError> {
        let member = |(name, value): (&String, &Value)| Ok((name.clone(), self.resolve(value)?));
        Ok(object.iter().map(member).collect::<Result<Map<_, _>, TemplateError>>()?.into())
    }

    fn kind(&self, resource: &str) -> Result<&'a str, TemplateError> {
        self.document["Resources"][resource]["Type"]
            .as_str()
            .ok_or_else(|| unfit(format!("there is no resource {resource}")))
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        if let Some(parameter) = self.declared.get(name) {
            let default = &parameter["Default"];
            return Ok(default.as_str().map_or_else(|| default.to_string(), str::to_owned));
        }
        Ok(match name {
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::StackName" => "jumun".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            _ if self.kind(name)? == "AWS::SQS::Queue" => queue_url(self.endpoint, name),
            _ if self.kind(name)? == "AWS::Events::EventBus" => self.bus_name(name)?,
            _ => name.to_owned(),
        })
    }

    /// The name that the template gives a bus.
    fn bus_name(&self, resource: &str) -> Result<String, TemplateError> {
        let name = self.resolve(&self.document["Resources"][resource]["Properties"]["Name"])?;
        name.as_str().map(str::to_owned).ok_or_else(|| unfit(format!("the bus {resource} has no name")))
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<String, TemplateError> {
        let arn = |service: &str, rest: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        Ok(match (self.kind(name)?, attribute) {
            ("AWS::SQS::Queue", "Arn") => arn("sqs", name.into()),
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", format!("table/{name}")),
            ("AWS::DynamoDB::Table", "StreamArn") => arn("dynamodb", format!("table/{name}/stream/local")),
            ("AWS::Events::EventBus", "Arn") => arn("events", format!("event-bus/{}", self.bus_name(name)?)),
            ("AWS::Events::EventBus", "Name") => self.bus_name(name)?,
            ("AWS::Events::Rule", "Arn") => arn("events", format!("rule/{name}")),
            ("AWS::KMS::Key", "Arn") => arn("kms", format!("key/{name}")),
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", format!("log-group:{name}:*")),
            (_, "Arn") => arn("other", name.into()),
            _ => name.to_owned(),
        })
    }

    /// `${Name}`, `${Name.Attribute}` and `${AWS::Something}` within a text.
    fn substitute(&self, text: &str) -> Result<String, TemplateError> {
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(|| unfit(format!("a ${{ is not closed in {text}")))?;
            whole += &match name.split_once('.') {
                Some((resource, attribute)) => self.attribute(resource, attribute)?,
                None => self.reference(name)?,
            };
            whole += rest;
        }
        Ok(whole)
    }
}
