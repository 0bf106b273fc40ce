#ifndef CHIREDIS_H
#define CHIREDIS_H
#endif
