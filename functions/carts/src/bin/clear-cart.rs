//! The Lambda function `clear-cart`.

fn main() -> Result<(), edge::Error> {
    edge::run(&carts::clear_cart::function())
}
