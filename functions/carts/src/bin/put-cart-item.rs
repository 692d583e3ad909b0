//! The Lambda function `put-cart-item`.

fn main() -> Result<(), edge::Error> {
    edge::run(&carts::put_cart_item::function())
}
