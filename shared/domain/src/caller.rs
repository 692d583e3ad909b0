//! Callers: who makes a request, and whose data they may reach.

use crate::{CustomerId, Refusal, RiderId, StoreId, actor::Actor};
use std::fmt;

/// What a caller may do at all; the claim `role`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reaches its own points and orders.
    Customer,
    /// Reaches the orders of its store.
    Store,
    /// Reaches the orders that it brings.
    Rider,
    /// Another system: reaches the integration routes.
    Partner,
    /// Reaches everything.
    Operator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Customer, Self::Store, Self::Rider, Self::Partner, Self::Operator];

    /// The claim's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Store => "store",
            Self::Rider => "rider",
            Self::Partner => "partner",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular: the route is public, or the token says nothing that we know.
    Anyone,
    /// A customer.
    Customer(CustomerId),
    /// Somebody at a store.
    Store(StoreId),
    /// A rider.
    Rider(RiderId),
    /// Another system.
    Partner,
    /// Somebody who runs the platform.
    Operator,
}

impl Caller {
    /// The caller's role.
    pub const fn role(&self) -> Option<Role> {
        match self {
            Self::Anyone => None,
            Self::Customer(_) => Some(Role::Customer),
            Self::Store(_) => Some(Role::Store),
            Self::Rider(_) => Some(Role::Rider),
            Self::Partner => Some(Role::Partner),
            Self::Operator => Some(Role::Operator),
        }
    }

    /// Refuses whoever is neither this customer nor an operator. It needs no data, so it comes before any is read.
    pub fn must_be(&self, customer: &CustomerId) -> Result<(), Refusal> {
        match self {
            Self::Customer(id) if id == customer => Ok(()),
            Self::Operator => Ok(()),
            Self::Anyone | Self::Customer(_) | Self::Store(_) | Self::Rider(_) | Self::Partner => {
                Err(Refusal::Forbidden)
            }
        }
    }

    /// Refuses whoever is neither somebody at this store nor an operator. It needs no data, so it comes before any is read.
    pub fn must_be_at(&self, store: &StoreId) -> Result<(), Refusal> {
        match self {
            Self::Store(id) if id == store => Ok(()),
            Self::Operator => Ok(()),
            Self::Anyone | Self::Customer(_) | Self::Store(_) | Self::Rider(_) | Self::Partner => {
                Err(Refusal::Forbidden)
            }
        }
    }

    /// Who the caller is in an order's timeline.
    pub fn actor(&self) -> Actor {
        match self {
            Self::Customer(id) => Actor::Customer(id.clone()),
            Self::Store(id) => Actor::Store(id.clone()),
            Self::Rider(id) => Actor::Rider(id.clone()),
            Self::Operator => Actor::Operator,
            Self::Anyone | Self::Partner => Actor::System,
        }
    }
}
