"""The shop over HTTP: what there is, and an order for it."""

import json

from catalogue.models import Order, Product
from catalogue.tasks import confirm
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET, require_POST


@require_GET
def products(request: HttpRequest) -> JsonResponse:
    rows = Product.objects.order_by("name").values("id", "name", "price_cents")
    return JsonResponse({"products": list(rows)})


@require_POST
def order(request: HttpRequest) -> JsonResponse:
    try:
        wanted = json.loads(request.body)
        product = Product.objects.get(id=int(wanted["product"]))
        validate_email(wanted["email"])
    except (ValueError, TypeError, KeyError, Product.DoesNotExist, ValidationError):
        return JsonResponse({"error": "An order needs a product and an email address."}, status=400)
    made = Order.objects.create(product=product, email=wanted["email"])
    transaction.on_commit(lambda: confirm.delay(made.id))
    return JsonResponse({"order": made.id}, status=201)


@require_GET
def healthz(request: HttpRequest) -> JsonResponse:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return JsonResponse({"status": "ok"})
