//! Customers: their profiles, the verification of their phones, and their grades.
//!
//! This crate must never send a message to a number that is not verified, but for the code that verifies it.

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
    vec![get_customer::function(), put_customer::function(), verify_phone::function(), raise_grade::function()]
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
    /// Their phone number, if they gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<MobileNumber>,
    /// Whether it is verified to be theirs: nothing but a code is sent to it before.
    phone_verified: bool,
    /// By which channels they are told of their orders.
    notify: Preferences,
    /// Their grade, which rises with their completed orders (등급).
    grade: Grade,
    /// How many orders they have got.
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

/// What the functions that show customers need.
#[derive(Debug, Clone)]
struct Resources {
    store: Store,
    grades: GradeThresholds,
}

impl Open<Environment> for Resources {
    fn open(env: &Environment) -> Result<Self, NotStarted> {
        let grades = GradeThresholds { silver: env.number("GRADE_SILVER_FROM")?, gold: env.number("GRADE_GOLD_FROM")? };
        Ok(Self { store: env.open()?, grades })
    }
}
