//! Notifications: how customers are reached, and telling them of each step of their orders.
//!
//! This crate must never hold an order up: it follows events, and what it cannot send it retries, sheds or lays aside.

pub mod get_customer;
pub mod notify_customer;
pub mod put_customer;
mod texts;

use domain::{CustomerId, grade::Grade, phone::PhoneNumber};
use edge::Function;
use schemars::JsonSchema;
use serde::Serialize;
use store::profiles::{CustomerProfile, Preferences};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![notify_customer::function(), get_customer::function(), put_customer::function()]
}

/// A customer as they are shown.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer.
    customer_id: CustomerId,
    /// Their name, if they told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Their phone number, if they told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<PhoneNumber>,
    /// By which channels they are told of their orders.
    notify: Preferences,
    /// Their grade: SILVER from 10 completed orders on, GOLD from 50 on (등급).
    grade: Grade,
    /// How many orders they have got.
    completed_orders: u64,
}

impl Customer {
    fn of(customer_id: CustomerId, CustomerProfile { contact, completed_orders }: CustomerProfile) -> Self {
        Self {
            customer_id,
            name: contact.as_ref().map(|contact| contact.name.clone()),
            notify: contact.as_ref().map(|contact| contact.notify).unwrap_or_default(),
            phone: contact.map(|contact| contact.phone),
            grade: Grade::of(completed_orders),
            completed_orders,
        }
    }
}
