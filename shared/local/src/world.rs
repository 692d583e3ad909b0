//! A platform for tests: its own database, its own partners, time that is held, and every call counted.

use crate::{
    Clock, Failure, Options, Platform, TokenRequest,
    aws::{Call, Principal},
    partners::Partner,
};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
};
use domain::Timestamp;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// When a world begins.
pub const BEGINNING: &str = "2026-01-05T03:04:05.000Z";

/// A platform that a test has for itself. It asks for tokens, as the deployed one does.
#[derive(Debug)]
pub struct World {
    /// The platform.
    pub platform: Arc<Platform>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The slug of the problem; empty if it is none.
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.trim_start_matches("/problems/").to_owned()
    }

    /// Whether it is the first answer again.
    pub fn is_replayed(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }
}

impl World {
    /// A new world, in which time is held.
    pub async fn new() -> Self {
        Self::with(Options { clock: BEGINNING.parse().ok().map(Clock::held_at), ..Self::options() }).await
    }

    /// How worlds are, unless a test wants it otherwise.
    pub fn options() -> Options {
        Options { asks_for_tokens: true, records: true, ..Options::default() }
    }

    /// A new world like this.
    #[expect(clippy::expect_used, reason = "a test has nothing to test without its world")]
    pub async fn with(options: Options) -> Self {
        Self { platform: Platform::new(options).await.expect("the template makes a platform") }
    }

    /// Somebody without a token.
    pub fn anyone(&self) -> Client<'_> {
        Client { world: self, token: None }
    }

    /// An operator.
    pub fn operator(&self) -> Client<'_> {
        self.caller("operator", "ops", None)
    }

    /// A customer.
    pub fn customer(&self, id: &str) -> Client<'_> {
        self.caller("customer", id, None)
    }

    /// Somebody of a role; a store's token names the store.
    pub fn caller(&self, role: &str, sub: &str, store_id: Option<&str>) -> Client<'_> {
        let store_id = store_id.map(str::to_owned);
        let request = TokenRequest { sub: sub.into(), role: role.into(), store_id, ttl_seconds: None };
        let token = self.platform.front.tokens.issue(&request, self.now());
        Client { world: self, token: token.ok() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.platform.clock.now()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.platform.clock.advance(by);
    }

    /// Lets everything that waits in streams and queues take effect.
    pub async fn settle(&self) {
        self.platform.settle().await;
    }

    /// Fires a schedule.
    pub async fn fire(&self, function: &str) -> Result<(), Failure> {
        self.platform.fire(function).await.map_err(Failure::from)
    }

    /// Calls a function with an event, as Lambda would.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Failure> {
        self.platform.runner.invoke(function, event).await.map_err(Failure::from)
    }

    /// Lets the functions go cold: what they remembered is gone.
    pub fn cool_down(&self) {
        self.platform.runner.cool_down();
    }

    /// Switches a function on or off.
    pub fn enable(&self, function: &str, enabled: bool) {
        self.platform.runner.enable(function, enabled);
    }

    /// The AWS calls that functions made since the last time.
    pub fn take_calls(&self) -> Vec<Call> {
        self.platform.aws.take_calls()
    }

    /// Sends a message to a queue, as a program outside would.
    #[expect(clippy::expect_used, reason = "a test names a queue that exists")]
    pub fn send_message(&self, queue: &str, body: &str) {
        self.platform.aws.queues.send(queue, body, None).expect("there is such a queue");
    }

    /// Brings a queue's dead letters back; tells how many.
    pub fn redrive(&self, queue: &str) -> Option<usize> {
        self.platform.aws.queues.redrive(queue).ok().flatten()
    }

    /// The bodies of the messages in a queue, the oldest first.
    pub fn messages(&self, queue: &str) -> Vec<String> {
        self.platform.aws.queues.bodies(queue)
    }

    /// From now on these faults, and no others, befall AWS calls.
    pub fn inject(&self, rules: impl IntoIterator<Item = crate::aws::faults::Rule>) {
        self.platform.aws.faults.set(rules);
    }

    /// The stub of a partner.
    #[expect(clippy::expect_used, reason = "a test names a partner that exists")]
    pub fn partner(&self, name: &str) -> &Partner {
        self.platform.partners.get(name).expect("there is such a partner")
    }

    /// Calls DynamoDB as a program outside would, past all functions.
    pub async fn dynamodb(&self, operation: &str, request: Value) -> Value {
        self.call_aws(&format!("DynamoDB_20120810.{operation}"), &request).await
    }

    /// Puts events onto the bus as a program outside would.
    pub async fn put_events(&self, request: &Value) -> Value {
        self.call_aws("AWSEvents.PutEvents", request).await
    }

    /// Calls SQS as a program outside would.
    pub async fn sqs(&self, operation: &str, request: &Value) -> Value {
        self.call_aws(&format!("AmazonSQS.{operation}"), request).await
    }

    async fn call_aws(&self, target: &str, request: &Value) -> Value {
        let reply = self.platform.aws.call(&Principal::anyone(), target, request.to_string().as_bytes()).await;
        reply.ok().and_then(|(_, body)| serde_json::from_slice(&body).ok()).unwrap_or_default()
    }

    /// Removes the rows that have expired, as DynamoDB does some time later.
    pub fn sweep(&self) {
        self.platform.aws.data.sweep();
    }

    /// Puts a product on sale with this stock.
    pub async fn stock(&self, product: &str, price: i64, quantity: i64) {
        let path = format!("/api/v1/admin/products/{product}");
        let put = json!({ "name": format!("The {product}"), "category": "things", "price": price });
        self.operator().put(&path, &put).await;
        if quantity > 0 {
            self.operator().post(&format!("{path}/stock"), &json!({ "delta": quantity })).await;
        }
    }

    /// Charges points to a customer.
    pub async fn charge(&self, customer: &str, amount: i64) {
        self.operator().post("/points/charge", &json!({ "customerId": customer, "amount": amount })).await;
    }

    /// Audits the books and tells what the audit found.
    pub async fn audit(&self) -> Value {
        let fired = self.fire("audit-books").await;
        debug_assert!(fired.is_ok(), "{fired:?}");
        self.operator().get("/api/v1/admin/audit").await.json()
    }
}

/// Somebody who calls the API.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    world: &'a World,
    token: Option<String>,
}

impl Client<'_> {
    /// GET.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// PUT with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, &[], body.to_string().into_bytes()).await
    }

    /// PATCH with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, &[], body.to_string().into_bytes()).await
    }

    /// POST with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], body.to_string().into_bytes()).await
    }

    /// POST with a JSON body and an idempotency key.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Reply {
        self.send(Method::POST, path, &[("idempotency-key", key)], body.to_string().into_bytes()).await
    }

    /// Anything. What is answered must be documented, whoever asks and whatever was asked.
    #[expect(clippy::expect_used, reason = "a test sends what can be sent")]
    pub async fn send(&self, method: Method, path: &str, more: &[(&str, &str)], body: Vec<u8>) -> Reply {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &self.token {
            headers.insert(
                header::AUTHORIZATION,
                HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is a header"),
            );
        }
        for (name, value) in more {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the name is a header's");
            headers.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("the value is a header's"));
        }
        let uri: Uri = path.parse().expect("the path is a URI");
        let response = self.world.platform.answer(method.clone(), uri.clone(), headers, Bytes::from(body)).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("the body is in memory");
        let reply = Reply { status, headers, body: String::from_utf8_lossy(&bytes).into_owned() };
        check_documented(&method, uri.path(), &reply);
        reply
    }
}

/// Every answer of a function names its request, and every success and every refusal is one that the route declares.
fn check_documented(method: &Method, path: &str, reply: &Reply) {
    // API Gateway's own words, before any function had its say.
    let is_of_gateway = reply.status == 401 || (reply.status >= 400 && reply.json().get("message").is_some());
    assert!(is_of_gateway || reply.headers.contains_key("x-request-id"), "{method} {path}: no x-request-id: {reply:?}");
    let is_of = |route: &&edge::Route| route.method.to_string() == method.as_str() && route.fits(path);
    // Of two that fit, the one that says more: /products/top-sellers before /products/{productId}.
    let route = admin::ROUTES.iter().filter(is_of).min_by_key(|route| route.path.matches('{').count());
    if is_of_gateway {
        return;
    }
    if reply.status < 400 {
        let is_promised = route.is_none_or(|route| route.successes.iter().any(|(status, _)| *status == reply.status));
        assert!(is_promised, "{method} {path} answered an undocumented success: {reply:?}");
        return;
    }
    let slug = reply.problem();
    let documented = match route {
        Some(route) => {
            admin::problems(route).get(&reply.status).is_some_and(|all| all.iter().any(|kind| kind.slug() == slug))
        }
        None => UNROUTED.contains(&(reply.status, slug.as_str())),
    };
    assert!(documented, "{method} {path} answered an undocumented problem: {reply:?}");
    let content_type = reply.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    assert_eq!(content_type, Some("application/problem+json"));
}

/// What a path that is no route's can be answered.
const UNROUTED: [(u16, &str); 4] =
    [(400, "malformed-request"), (404, "not-found"), (405, "method-not-allowed"), (413, "body-too-large")];
