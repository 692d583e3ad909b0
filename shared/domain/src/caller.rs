//! Callers: the sender of a request, and the data that the sender may access.

use crate::{CustomerId, Refusal, RiderId, StoreId, actor::Actor};
use std::fmt;

/// The role of a caller: the claim `role` of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May access its own points and orders.
    Customer,
    /// May access the orders of its store.
    Store,
    /// May access the orders that it delivers.
    Rider,
    /// Another system. May call the integration routes.
    Partner,
    /// May access everything.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 5] =
        [Self::Customer, Self::Store, Self::Rider, Self::Partner, Self::Operator];

    /// The value of the claim `role`.
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

/// The sender of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// An unidentified caller: the route is public, or the token has no claims that we know.
    Anyone,
    /// A customer.
    Customer(CustomerId),
    /// An employee of a store.
    Store(StoreId),
    /// A rider.
    Rider(RiderId),
    /// Another system.
    Partner,
    /// A person who operates the platform.
    Operator,
}

impl Caller {
    /// The caller's role. `None` for [`Caller::Anyone`].
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

    /// Refuses every caller except this customer and operators. The check needs no data, so it runs
    /// before any data is read.
    pub fn must_be(&self, customer: &CustomerId) -> Result<(), Refusal> {
        match self {
            Self::Customer(id) if id == customer => Ok(()),
            Self::Operator => Ok(()),
            Self::Anyone | Self::Customer(_) | Self::Store(_) | Self::Rider(_) | Self::Partner => {
                Err(Refusal::Forbidden)
            }
        }
    }

    /// Refuses every caller except this store's employees and operators. The check needs no data,
    /// so it runs before any data is read.
    pub fn must_be_at(&self, store: &StoreId) -> Result<(), Refusal> {
        match self {
            Self::Store(id) if id == store => Ok(()),
            Self::Operator => Ok(()),
            Self::Anyone | Self::Customer(_) | Self::Store(_) | Self::Rider(_) | Self::Partner => {
                Err(Refusal::Forbidden)
            }
        }
    }

    /// The actor that represents the caller in an order's timeline. Partners and unidentified callers
    /// appear as the system.
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
