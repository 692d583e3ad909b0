//! A stub of a system that lists its orders for a channel of type `HTTP`.
//!
//! It lists the staged orders, two per page, the oldest change first.

use super::{StubRequest, StubResponse, System};
use domain::Timestamp;
use serde_json::{Value, json};
use std::sync::{Mutex, PoisonError};

/// Orders per page.
const PAGE_SIZE: usize = 2;

/// The system. Callers must present its token.
#[derive(Debug)]
pub(super) struct OrdersApi {
    token: String,
    /// The orders, each with the time of its last change.
    orders: Mutex<Vec<(Timestamp, Value)>>,
}

impl OrdersApi {
    pub(super) fn new(token: &str) -> Self {
        Self { token: token.to_owned(), orders: Mutex::default() }
    }
}

impl System for OrdersApi {
    fn respond(&self, request: &StubRequest<'_>) -> StubResponse {
        if request.header("authorization") != format!("Bearer {}", self.token) {
            return (401, json!({ "message": "unknown token" }));
        }
        let query = super::market::values(request.query);
        let Some(since) =
            query.get("updatedSince").and_then(|since| since.parse::<Timestamp>().ok())
        else {
            return (400, json!({ "message": "updatedSince is required" }));
        };
        let from: usize = query.get("cursor").and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let changed: Vec<&Value> =
            orders.iter().filter(|(at, _)| *at >= since).map(|(_, order)| order).collect();
        let page: Vec<&Value> = changed.iter().skip(from).take(PAGE_SIZE).copied().collect();
        let next = (from + PAGE_SIZE < changed.len()).then(|| (from + PAGE_SIZE).to_string());
        (200, json!({ "orders": page, "nextCursor": next }))
    }

    fn decline(&self, _: &StubRequest<'_>) -> StubResponse {
        (403, json!({ "message": "not allowed" }))
    }

    fn stage(&self, what: &Value, now: Timestamp) -> Result<(), String> {
        let order = &what["order"];
        let id = order["externalOrderId"].as_str().ok_or("an order needs an externalOrderId")?;
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        orders.retain(|(_, known)| known["externalOrderId"] != id);
        orders.push((now, order.clone()));
        Ok(())
    }
}
