/**
 * @file wxtp.h
 * All of libwxtp.
 */
#ifndef WXTP_WXTP_H
#define WXTP_WXTP_H

#include <wxtp/audit.h>
#include <wxtp/call.h>
#include <wxtp/config.h>
#include <wxtp/error.h>
#include <wxtp/job.h>
#include <wxtp/plan.h>
#include <wxtp/platform.h>
#include <wxtp/push.h>
#include <wxtp/store_sqlite.h>
#include <wxtp/submit.h>
#include <wxtp/tenant.h>
#include <wxtp/token.h>

#endif
