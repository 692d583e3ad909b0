//! A platform for tests: its own database, its own partner stubs, a held clock, and a record of
//! every AWS call.

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

/// The time at which a world's clock starts.
pub const BEGINNING: &str = "2026-01-05T03:04:05.000Z";

/// A platform that belongs to one test. It requires tokens, as the deployed one does.
#[derive(Debug)]
pub struct World {
    /// The platform under test.
    pub platform: Arc<Platform>,
}

/// The response to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
}

impl Reply {
    /// The body as JSON. Panics if it is not JSON.
    pub fn json(&self) -> Value {
        let json = serde_json::from_str(&self.body);
        assert!(json.is_ok(), "{self:?} is not JSON");
        json.unwrap_or_default()
    }

    /// The slug of the problem. Empty if the response is not a problem.
    pub fn problem(&self) -> String {
        let body: Option<Value> = serde_json::from_str(&self.body).ok();
        let kind = body.as_ref().and_then(|body| body["type"].as_str()).unwrap_or_default();
        kind.trim_start_matches("/problems/").to_owned()
    }

    /// The response. Panics if its status is another.
    pub fn must_be(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// Whether it is the replayed first response of a repeated request.
    pub fn is_replayed(&self) -> bool {
        self.headers.contains_key("idempotent-replayed")
    }
}

impl World {
    /// Creates a world with a held clock that starts at [`BEGINNING`].
    #[expect(clippy::expect_used, reason = "a constant")]
    pub async fn new() -> Self {
        let clock = Clock::held_at(BEGINNING.parse().expect("BEGINNING is a time"));
        Self::with(Options { clock: Some(clock), ..Self::options() }).await
    }

    /// The default options of a world: the clock runs, tokens are required, and AWS calls are
    /// recorded.
    pub fn options() -> Options {
        Options { requires_tokens: true, records: true, ..Options::default() }
    }

    /// Creates a world with these options.
    #[expect(clippy::expect_used, reason = "a test cannot run without its world")]
    pub async fn with(options: Options) -> Self {
        Self {
            platform: Platform::new(options)
                .await
                .expect("the platform is built from the template"),
        }
    }

    /// A client without a token.
    pub fn anyone(&self) -> Client<'_> {
        Client { world: self, token: None }
    }

    /// A client with an operator's token.
    pub fn operator(&self) -> Client<'_> {
        self.caller("operator", "ops", None)
    }

    /// A client with the token of this customer.
    pub fn customer(&self, id: &str) -> Client<'_> {
        self.caller("customer", id, None)
    }

    /// A client with a token of this role. `store_id` is the store of a `store` token.
    pub fn caller(&self, role: &str, sub: &str, store_id: Option<&str>) -> Client<'_> {
        let store_id = store_id.map(str::to_owned);
        self.client(sub, role, store_id, None)
    }

    /// A client with the token of this partner, with these scopes, separated by spaces.
    pub fn partner_with(&self, id: &str, scope: &str) -> Client<'_> {
        self.client(id, "partner", None, Some(scope.to_owned()))
    }

    fn client(
        &self,
        sub: &str,
        role: &str,
        store_id: Option<String>,
        scope: Option<String>,
    ) -> Client<'_> {
        let (sub, role) = (sub.to_owned(), role.to_owned());
        let request = TokenRequest { sub, role, store_id, scope, ttl_seconds: None };
        let token = self.platform.http_api.tokens.issue(&request, self.now());
        Client { world: self, token: token.ok() }
    }

    /// The current time of the platform's clock. On a held clock, each call advances it by 1 ms.
    pub fn now(&self) -> Timestamp {
        self.platform.clock.now()
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.platform.clock.advance(by);
    }

    /// Processes all streams and queues until nothing makes progress.
    pub async fn settle(&self) {
        self.platform.settle().await;
    }

    /// Invokes a scheduled function now.
    pub async fn fire(&self, function: &str) -> Result<(), Failure> {
        self.platform.fire(function).await.map_err(Failure::from)
    }

    /// Invokes a function with an event, as Lambda would.
    pub async fn invoke(&self, function: &str, event: Value) -> Result<Value, Failure> {
        self.platform.runner.invoke(function, event).await.map_err(Failure::from)
    }

    /// Discards the warm environments of all functions, with what they have cached. The next
    /// invocation of each function is a cold start.
    pub fn cool_down(&self) {
        self.platform.runner.cool_down();
    }

    /// Switches a function on or off. Panics if there is no such function.
    pub fn enable(&self, function: &str, enabled: bool) {
        assert!(self.platform.runner.enable(function, enabled), "{function} does not exist");
    }

    /// Returns and clears the recorded AWS calls of functions.
    pub fn take_calls(&self) -> Vec<Call> {
        self.platform.aws.take_calls()
    }

    /// Sends a message to a queue, as an external program would.
    #[expect(clippy::expect_used, reason = "a test uses a queue that exists")]
    pub fn send_message(&self, queue: &str, body: &str) {
        self.platform.aws.queues.send(queue, body, None).expect("the queue exists");
    }

    /// Moves a queue's dead letters back to the queue and returns their number. `None`: there is no
    /// such queue, or it has no dead-letter queue and is not one.
    pub fn redrive(&self, queue: &str) -> Option<usize> {
        self.platform.aws.queues.redrive(queue).ok().flatten()
    }

    /// The bodies of the messages in a queue, oldest first.
    pub fn messages(&self, queue: &str) -> Vec<String> {
        self.platform.aws.queues.bodies(queue)
    }

    /// Injects these faults into AWS calls from now on. Replaces all earlier rules.
    pub fn inject(&self, rules: impl IntoIterator<Item = crate::aws::faults::Rule>) {
        self.platform.aws.faults.set(rules);
    }

    /// The stub of a partner.
    #[expect(clippy::expect_used, reason = "a test uses a partner that exists")]
    pub fn partner(&self, name: &str) -> &Partner {
        self.platform.partners.get(name).expect("the partner exists")
    }

    /// Calls DynamoDB directly, as an external program would.
    pub async fn dynamodb(&self, operation: &str, request: Value) -> Value {
        self.call_aws(&format!("DynamoDB_20120810.{operation}"), &request).await
    }

    /// Puts events onto the bus, as an external program would.
    pub async fn put_events(&self, request: &Value) -> Value {
        self.call_aws("AWSEvents.PutEvents", request).await
    }

    /// Calls SQS directly, as an external program would.
    pub async fn sqs(&self, operation: &str, request: &Value) -> Value {
        self.call_aws(&format!("AmazonSQS.{operation}"), request).await
    }

    #[expect(clippy::expect_used, reason = "a test calls AWS without faults")]
    async fn call_aws(&self, target: &str, request: &Value) -> Value {
        let request = request.to_string();
        let (_, body) = self
            .platform
            .aws
            .call(&Principal::anyone(), target, request.as_bytes())
            .await
            .expect("AWS responds");
        serde_json::from_slice(&body).expect("AWS responds with JSON")
    }

    /// Removes the expired rows now. DynamoDB does so some time after they expire.
    pub fn sweep(&self) {
        self.platform.aws.data.sweep();
    }

    /// Creates a product with this price in won and adds this quantity to its stock.
    pub async fn stock(&self, product: &str, price: i64, quantity: i64) {
        let path = format!("/api/v1/admin/products/{product}");
        let put = json!({ "name": format!("The {product}"), "category": "things", "price": price });
        self.operator().put(&path, &put).await.must_be(200);
        if quantity > 0 {
            let delta = json!({ "delta": quantity });
            self.operator().post(&format!("{path}/stock"), &delta).await.must_be(200);
        }
    }

    /// Adds points to a customer's balance (`POST /points/charge`).
    pub async fn charge(&self, customer: &str, amount: i64) {
        let charge = json!({ "customerId": customer, "amount": amount });
        self.operator().post("/points/charge", &charge).await.must_be(200);
    }

    /// Runs the audit of the books and returns its result.
    pub async fn audit(&self) -> Value {
        let fired = self.fire("audit-books").await;
        assert!(fired.is_ok(), "{fired:?}");
        self.operator().get("/api/v1/admin/audit").await.must_be(200).json()
    }
}

/// A client of the API, with or without a token.
#[derive(Debug, Clone)]
pub struct Client<'a> {
    world: &'a World,
    token: Option<String>,
}

impl Client<'_> {
    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, &[], Vec::new()).await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, &[], Vec::new()).await
    }

    /// Sends a PUT request with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PUT, path, &[], body.to_string().into_bytes()).await
    }

    /// Sends a PATCH request with a JSON body.
    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::PATCH, path, &[], body.to_string().into_bytes()).await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(Method::POST, path, &[], body.to_string().into_bytes()).await
    }

    /// Sends a POST request with a JSON body and an `Idempotency-Key`.
    pub async fn post_once(&self, path: &str, body: &Value, key: &str) -> Reply {
        self.send(Method::POST, path, &[("idempotency-key", key)], body.to_string().into_bytes())
            .await
    }

    /// Sends any request. Panics if the API document does not list the response for its route.
    #[expect(clippy::expect_used, reason = "a test sends valid HTTP")]
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        more: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Reply {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &self.token {
            headers.insert(
                header::AUTHORIZATION,
                HeaderValue::from_str(&format!("Bearer {token}"))
                    .expect("a token is a valid header value"),
            );
        }
        for (name, value) in more {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a valid header name");
            headers.insert(
                name,
                HeaderValue::from_bytes(value.as_bytes()).expect("a valid header value"),
            );
        }
        let uri: Uri = path.parse().expect("a valid URI");
        let response = self
            .world
            .platform
            .respond(method.clone(), uri.clone(), headers, Bytes::from(body))
            .await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("the body is in memory");
        let reply = Reply { status, headers, body: String::from_utf8_lossy(&bytes).into_owned() };
        check_documented(&method, uri.path(), &reply);
        reply
    }
}

/// Asserts that a function's response has an `x-request-id`, and that its route declares the status
/// of a success or the problem of a refusal.
fn check_documented(method: &Method, path: &str, reply: &Reply) {
    // API Gateway itself responded, before any function was invoked.
    let is_of_gateway =
        reply.status == 401 || (reply.status >= 400 && reply.json().get("message").is_some());
    assert!(
        is_of_gateway || reply.headers.contains_key("x-request-id"),
        "{method} {path}: no x-request-id: {reply:?}"
    );
    let is_of =
        |route: &&edge::Route| route.method.to_string() == method.as_str() && route.fits(path);
    // Of two matching routes, the one with fewer parameters wins: /products/top-sellers before
    // /products/{productId}.
    let route =
        admin::ROUTES.iter().filter(is_of).min_by_key(|route| route.path.matches('{').count());
    if is_of_gateway {
        return;
    }
    if reply.status < 400 {
        let is_documented = route
            .is_none_or(|route| route.successes.iter().any(|(status, _)| *status == reply.status));
        assert!(is_documented, "{method} {path} returned an undocumented success: {reply:?}");
        return;
    }
    let slug = reply.problem();
    let documented = match route {
        Some(route) => admin::problems(route)
            .get(&reply.status)
            .is_some_and(|all| all.iter().any(|kind| kind.slug() == slug)),
        None => UNROUTED.contains(&(reply.status, slug.as_str())),
    };
    assert!(documented, "{method} {path} returned an undocumented problem: {reply:?}");
    let content_type = reply.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    assert_eq!(content_type, Some("application/problem+json"));
}

/// The problems that a path without a route can return: status and slug.
const UNROUTED: [(u16, &str); 4] = [
    (400, "malformed-request"),
    (404, "not-found"),
    (405, "method-not-allowed"),
    (413, "body-too-large"),
];
