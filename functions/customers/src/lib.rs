//! Customers: their profiles, the verification of their phone numbers, and their grades.
//!
//! This crate must never send a message to a number that is not verified, except for the code that
//! verifies it.

pub mod get_customer;
pub mod put_customer;
pub mod raise_grade;
pub mod verify_phone;

use domain::{
    CustomerId, NotStarted, Open, Variables,
    grade::{Grade, GradeThresholds},
    phone::MobileNumber,
};
use edge::{Environment, Function};
use schemars::JsonSchema;
use serde::Serialize;
use store::{
    Store,
    customers::{CustomerProfile, Preferences},
};

/// The functions of this context.
pub fn functions() -> Vec<Function> {
    vec![
        get_customer::function(),
        put_customer::function(),
        verify_phone::function(),
        raise_grade::function(),
    ]
}

/// A customer in a response.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The customer's id.
    customer_id: CustomerId,
    /// The customer's name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The customer's mobile number, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<MobileNumber>,
    /// Whether the number is verified to be the customer's. An unverified number receives only
    /// verification codes.
    phone_verified: bool,
    /// The channels of order notifications.
    notify: Preferences,
    /// The customer's grade, which is derived from the number of completed orders (등급).
    grade: Grade,
    /// The number of completed orders.
    completed_orders: u64,
}

impl Customer {
    fn of(
        customer_id: CustomerId,
        CustomerProfile { contact, completed_orders }: CustomerProfile,
        grades: GradeThresholds,
    ) -> Self {
        Self {
            phone_verified: contact.as_ref().is_some_and(|contact| contact.phone_verified),
            customer_id,
            name: contact.as_ref().map(|contact| contact.name.clone()),
            notify: contact.as_ref().map(|contact| contact.notify).unwrap_or_default(),
            phone: contact.and_then(|contact| contact.phone),
            grade: Grade::of(completed_orders, grades),
            completed_orders,
        }
    }
}

/// The clients and settings of the handlers that return a customer.
#[derive(Debug, Clone)]
struct Resources {
    store: Store,
    grades: GradeThresholds,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let grades = GradeThresholds {
            silver: env.number("GRADE_SILVER_FROM")?,
            gold: env.number("GRADE_GOLD_FROM")?,
        };
        Ok(Self { store: env.open()?, grades })
    }
}
