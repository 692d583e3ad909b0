//! Stores: they make the products that riders deliver (가게).

use crate::{StoreId, phone::PhoneNumber, position::Position};
use serde::{Deserialize, Serialize};

/// The profile of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreProfile {
    /// The store's id.
    pub store_id: StoreId,
    /// The name shown to customers.
    pub name: String,
    /// The store's position.
    pub position: Position,
    /// The store's phone number.
    pub phone: PhoneNumber,
    /// Whether the store takes orders now.
    pub open: bool,
}
