//! The Lambda function `remove-cart-item`.

fn main() -> Result<(), edge::Error> {
    edge::run(&carts::remove_cart_item::function())
}
