//! CloudFormation's functions: the values of `!Ref`, `!GetAtt` and `!Sub` on the local platform.

use super::{ACCOUNT, REGION, TemplateError, document, queue_url, text, unfit};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One stack: its template with its parameters.
pub(super) struct Resolver {
    pub(super) document: &'static Value,
    parameters: BTreeMap<String, String>,
    endpoint: String,
    /// What the physical names of the stack's resources begin with.
    prefix: String,
}

impl Resolver {
    pub(super) fn new(
        document: &'static Value,
        parameters: BTreeMap<String, String>,
        endpoint: &str,
        prefix: String,
    ) -> Self {
        Self { document, parameters, endpoint: endpoint.to_owned(), prefix }
    }

    /// The name of a resource on the local platform. The resources of `SettlePaymentsPipeline` are
    /// named `SettlePayments…`.
    pub(super) fn physical(&self, id: &str) -> String {
        format!("{}{id}", self.prefix)
    }

    /// The stack that a resource nests.
    pub(super) fn nested(&self, id: &str) -> Result<Self, TemplateError> {
        let properties = self.resolve(&self.document["Resources"][id]["Properties"])?;
        let document = document::nested(&text(&properties["TemplateURL"]))?;
        let parameters = properties["Parameters"].as_object().into_iter().flatten();
        let parameters = parameters.map(|(name, value)| (name.clone(), text(value))).collect();
        let prefix = id.strip_suffix("Pipeline").unwrap_or(id);
        Ok(Self::new(document, parameters, &self.endpoint, self.physical(prefix)))
    }

    /// Whether a resource with this condition exists.
    pub(super) fn holds(&self, condition: &Value) -> Result<bool, TemplateError> {
        match condition.as_str() {
            None => Ok(true),
            Some(name) => self.is_true(&self.document["Conditions"][name]),
        }
    }

    fn is_true(&self, condition: &Value) -> Result<bool, TemplateError> {
        if let Some(sides) = condition["Fn::Equals"].as_array() {
            let sides =
                sides.iter().map(|side| self.resolve(side)).collect::<Result<Vec<_>, _>>()?;
            Ok(sides.windows(2).all(|pair| pair[0] == pair[1]))
        } else if let Some([negated]) = condition["Fn::Not"].as_array().map(Vec::as_slice) {
            Ok(!self.is_true(negated)?)
        } else {
            Err(unfit(format!("the local platform does not support the condition {condition}")))
        }
    }

    pub(super) fn resources(
        &self,
    ) -> Result<impl Iterator<Item = (&'static String, &'static Value)> + use<>, TemplateError>
    {
        Ok(self.document["Resources"]
            .as_object()
            .ok_or_else(|| unfit("the template has no Resources"))?
            .iter())
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
                    return Err(unfit(format!("the local platform does not support {function}")));
                }
                _ => self.members(object)?,
            },
            Value::Object(object) => self.members(object)?,
            Value::Array(items) => {
                items.iter().map(|item| self.resolve(item)).collect::<Result<Vec<_>, _>>()?.into()
            }
            scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
                scalar.clone()
            }
        })
    }

    fn members(&self, object: &Map<String, Value>) -> Result<Value, TemplateError> {
        let member = |(name, value): (&String, &Value)| Ok((name.clone(), self.resolve(value)?));
        Ok(object.iter().map(member).collect::<Result<Map<_, _>, TemplateError>>()?.into())
    }

    fn kind(&self, resource: &str) -> Result<&'static str, TemplateError> {
        self.document["Resources"][resource]["Type"]
            .as_str()
            .ok_or_else(|| unfit(format!("there is no resource {resource}")))
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        if let Some(parameter) = self.document["Parameters"].get(name) {
            return Ok(text(&parameter["Default"]));
        }
        Ok(match name {
            "AWS::Region" => REGION.into(),
            "AWS::AccountId" => ACCOUNT.into(),
            "AWS::Partition" => "aws".into(),
            "AWS::StackName" => "jumun".into(),
            "AWS::URLSuffix" => "amazonaws.com".into(),
            _ if self.kind(name)? == "AWS::SQS::Queue" => {
                queue_url(&self.endpoint, &self.physical(name))
            }
            _ if self.kind(name)? == "AWS::Events::EventBus" => self.bus_name(name)?,
            _ => self.physical(name),
        })
    }

    /// The name that the template gives a bus.
    fn bus_name(&self, resource: &str) -> Result<String, TemplateError> {
        let name = self.resolve(&self.document["Resources"][resource]["Properties"]["Name"])?;
        name.as_str()
            .map(str::to_owned)
            .ok_or_else(|| unfit(format!("the bus {resource} has no name")))
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<String, TemplateError> {
        let arn =
            |service: &str, rest: String| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}");
        if let ("AWS::CloudFormation::Stack", Some(output)) =
            (self.kind(name)?, attribute.strip_prefix("Outputs."))
        {
            let stack = self.nested(name)?;
            return Ok(text(&stack.resolve(&stack.document["Outputs"][output]["Value"])?));
        }
        let (kind, id, name) = (self.kind(name)?, name, self.physical(name));
        Ok(match (kind, attribute) {
            ("AWS::SQS::Queue", "Arn") => arn("sqs", name),
            ("AWS::DynamoDB::Table", "Arn") => arn("dynamodb", format!("table/{name}")),
            ("AWS::DynamoDB::Table", "StreamArn") => {
                arn("dynamodb", format!("table/{name}/stream/local"))
            }
            ("AWS::Events::EventBus", "Arn") => {
                arn("events", format!("event-bus/{}", self.bus_name(id)?))
            }
            ("AWS::Events::EventBus", "Name") => self.bus_name(id)?,
            ("AWS::Events::Rule", "Arn") => arn("events", format!("rule/{name}")),
            ("AWS::KMS::Key", "Arn") => arn("kms", format!("key/{name}")),
            ("AWS::Logs::LogGroup", "Arn") => arn("logs", format!("log-group:{name}:*")),
            (_, "Arn") => arn("other", name),
            _ => name,
        })
    }

    /// `${Name}`, `${Name.Attribute}` and `${AWS::Something}` within a text.
    fn substitute(&self, text: &str) -> Result<String, TemplateError> {
        // On AWS the names of a stack's resources begin with the stack's name; here they do not.
        let text = text.replace("${AWS::StackName}-*", "*");
        let mut parts = text.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part
                .split_once('}')
                .ok_or_else(|| unfit(format!("a ${{ is not closed in {text}")))?;
            whole += &match name.split_once('.') {
                Some((resource, attribute)) => self.attribute(resource, attribute)?,
                None => self.reference(name)?,
            };
            whole += rest;
        }
        Ok(whole)
    }
}
