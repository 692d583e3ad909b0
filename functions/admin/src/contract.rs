//! Builds the OpenAPI 3.1 document of the API from the declarations and types of the routes.

use crate::ROUTES;
use domain::{RefusalKind, Role};
use edge::{Access, Method, Route};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The problems that every route may return.
const COMMON: [RefusalKind; 4] = [
    RefusalKind::MalformedRequest,
    RefusalKind::BodyTooLarge,
    RefusalKind::InternalError,
    RefusalKind::Busy,
];

/// The OpenAPI document.
pub(crate) fn document() -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_string().to_lowercase()] = operation(route, &mut schemas);
    }
    let mut components = schemas.take_definitions(true);
    components.insert("Problem".into(), problem_schema());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jumun",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "An order platform: points, products, orders and payment, top sellers. \
                Errors are RFC 9457 problems. Every POST that moves money or stock supports Idempotency-Key.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

fn operation(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "summary": route.summary,
        "operationId": operation_id(route),
        "parameters": parameters(route),
        "responses": responses(route, schemas),
    });
    if let Some(schema) = route.request_body {
        let content = json!({ "application/json": { "schema": schema(schemas) } });
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    match route.access {
        Access::Public => operation["security"] = json!([]),
        Access::Roles(roles) => {
            operation["security"] = json!([{ "token": [] }]);
            operation["x-roles"] = roles.iter().map(|role| Role::as_str(*role)).collect();
        }
        Access::Permissions(permissions) => {
            operation["security"] = json!([{ "token": [] }]);
            operation["x-roles"] = json!([Role::Partner.as_str(), Role::Operator.as_str()]);
            let scopes = permissions.iter().flat_map(|permission| permission.scopes());
            operation["x-scopes"] = scopes.copied().collect();
        }
    }
    operation
}

/// `POST /points/charge` becomes `postPointsCharge`.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let capitalised = words.map(|word| word[..1].to_uppercase() + &word[1..]);
    capitalised.fold(route.method.to_string().to_lowercase(), |id, word| id + &word)
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path =
        route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path =
        in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|(name, meaning)| {
        let kind = if *name == "limit" { "integer" } else { "string" };
        json!({ "name": name, "in": "query", "description": meaning, "schema": { "type": kind } })
    });
    let key = json!({
        "name": "Idempotency-Key", "in": "header", "schema": { "type": "string", "maxLength": 255 },
        "description": "The caller's key. A repeat with the same key gets the first response and has no second effect.",
    });
    in_path.chain(in_query).chain(route.is_idempotent_by_key.then_some(key)).collect()
}

fn responses(route: &Route, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (status, meaning) in route.successes {
        let mut response = json!({ "description": meaning });
        if let Some(schema) = route.response {
            response["content"] = json!({ "application/json": { "schema": schema(schemas) } });
        }
        responses.insert(status.to_string(), response);
    }
    for (status, problems) in problems(route) {
        let meanings =
            problems.iter().map(|kind| format!("`{}`: {}", kind.slug(), kind.documentation()));
        let meaning = meanings.collect::<Vec<_>>().join(" ");
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        responses.insert(status.to_string(), json!({ "description": meaning, "content": content }));
    }
    responses.into()
}

/// Every problem that a route may return, by status.
pub fn problems(route: &Route) -> BTreeMap<u16, Vec<RefusalKind>> {
    let mut all = COMMON.to_vec();
    if route.access != Access::Public {
        all.push(RefusalKind::Forbidden);
    }
    if route.path.contains('{') && route.method == Method::Get {
        all.push(RefusalKind::NotFound);
    }
    if route.request_body.is_some() {
        all.push(RefusalKind::UnsupportedMediaType);
    }
    all.extend(route.problems);
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for kind in all {
        by_status.entry(kind.status()).or_default().push(kind);
    }
    by_status
}

fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "An RFC 9457 problem. More members depend on its type, such as `productId` or `available`.",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": { "type": "string", "examples": ["/problems/out-of-stock"] },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string", "description": "The request id, as in the `x-request-id` header." },
        },
        "additionalProperties": true,
    })
}
