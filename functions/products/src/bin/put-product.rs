//! The Lambda function `put-product`.

fn main() -> Result<(), edge::Error> {
    edge::run(&products::put_product::function())
}
