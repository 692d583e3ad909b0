//! Access: which orders a caller may know of, and how much of them.

use domain::{Caller, Failure, OrderId, Refusal, order::Order};
use store::{Store, orders::OrderWithAttempts};

/// Whether a caller may read an order.
pub fn may_read(caller: &Caller, order: &Order) -> bool {
    match caller {
        Caller::Rider(rider) => Some(rider) == order.rider_id(),
        Caller::Customer(_) => is_customer_of(caller, order),
        Caller::Store(_) => is_store_of(caller, order),
        Caller::Partner(_, scopes) => {
            scopes.may_read_order_of(order.source().map(|(source, _)| source))
        }
        Caller::Operator(_) => true,
        Caller::Anyone => false,
    }
}

/// Whether a caller is the customer of an order, or an operator.
pub fn is_customer_of(caller: &Caller, order: &Order) -> bool {
    caller.must_be(&order.customer_id).is_ok()
}

/// Whether a caller works at the store of an order, or is an operator.
pub fn is_store_of(caller: &Caller, order: &Order) -> bool {
    let works_there = matches!(caller, Caller::Store(at) if Some(at) == order.store_id.as_ref());
    works_there || caller.is_operator()
}

/// An order as its caller may see it. A rider sees the address only while delivering, a partner
/// only if it may read personal data.
pub fn visible_to(caller: &Caller, order: &Order) -> events::Order {
    let visible = events::Order::from(order);
    if is_no_longer_with(caller, order) {
        visible.without_personal_data()
    } else {
        redacted_for(caller, visible)
    }
}

/// An order without the personal data that the caller's token does not allow to read.
pub fn redacted_for(caller: &Caller, order: events::Order) -> events::Order {
    match caller {
        Caller::Partner(_, scopes) if !scopes.may_read_personal_data() => {
            order.without_personal_data()
        }
        Caller::Anyone
        | Caller::Customer(_)
        | Caller::Store(_)
        | Caller::Rider(_)
        | Caller::Partner(..)
        | Caller::Operator(_) => order,
    }
}

/// Whether a caller is a rider who is not delivering the order now.
pub(crate) fn is_no_longer_with(caller: &Caller, order: &Order) -> bool {
    matches!(caller, Caller::Rider(rider) if order.rider_on_the_way() != Some(rider))
}

/// An order of the caller's with its payment attempts. Another customer's order does not exist for
/// the caller.
pub async fn order_of_caller(
    store: &Store,
    order_id: &OrderId,
    caller: &Caller,
) -> Result<OrderWithAttempts, Failure> {
    let file = store.orders().with_attempts(order_id).await?;
    let file = file.filter(|file| is_customer_of(caller, &file.placed.order));
    Ok(file.ok_or(Refusal::NotFound)?)
}
