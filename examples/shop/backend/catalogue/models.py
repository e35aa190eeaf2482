from django.db import models


class Product(models.Model):
    name = models.CharField(max_length=200)
    price_cents = models.PositiveIntegerField()


class Order(models.Model):
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    email = models.EmailField()
    ordered_at = models.DateTimeField(auto_now_add=True)
    confirmed = models.BooleanField(default=False)
